import { HttpError } from "./error.ts";
import { type Field, valuesOf } from "./fields.ts";

/** Fields that a connection of HTTP/1 alone has: elsewhere they could only hide a message. */
const OF_CONNECTION = new Set([
  "connection",
  "host",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Refuses fields that a message of another version must not have, before they can be written into a
 * connection of HTTP/1 (RFC 9113 section 8.2.2), and lengths that could be read in two ways.
 * @throws {HttpError} 400
 */
export function checkFields(fields: readonly Field[]): void {
  for (const { name } of fields) {
    if (OF_CONNECTION.has(name.toLowerCase())) {
      throw new HttpError(400, `The message has a field that is the connection's: ${name}`);
    }
  }
  const lengths = valuesOf(fields, "content-length");
  const isLength = (text: string) => /^[0-9]{1,15}$/.test(text);
  if (lengths.length > 1 || !lengths.every(isLength)) {
    throw new HttpError(400, "The message's Content-Length is not one number");
  }
}

/** A host with or without a port, and nothing else that a URI may have there. */
export const AUTHORITY = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

/** Path and query as they may stand in a first line of HTTP/1; "*" of OPTIONS. */
export function isPath(text: string, method: string): boolean {
  return /^\/[\x21\x22\x24-\x7e\x80-\xff]*$/.test(text) || (text === "*" && method === "OPTIONS");
}
