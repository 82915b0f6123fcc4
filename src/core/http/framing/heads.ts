import { toLatin1 } from "../../../base/latin1.ts";
import { AUTHORITY, checkFields, isPath } from "../check_fields.ts";
import { HttpError } from "../error.ts";
import type { HttpRequest, HttpResponse } from "../exchange.ts";
import { type Field, valuesOf } from "../fields.ts";
import { readFieldLines } from "../http1/head.ts";
import { mayBeTrailer } from "../trailer.ts";

const NO_NAMES: ReadonlySet<string> = new Set();

/** Facts about a request that its head does not tell. */
export interface RequestOrigin {
  /** Address of the visitor's connection, as the node has seen it: `192.0.2.1` or `2001:db8::1`. */
  readonly visitor: string;
  /** Name of the exchange in the logs of node and agent. */
  readonly requestId: string;
}

/** Heads as lines of text, one byte a character (docs/wire/gateway.md, "Exchanges"). */
const REQUEST =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (https?) ([^ \n]*) ([^ \n]*) ([01])\n([\t\x20-\x7e]*)\n([0-9A-Fa-f:.]*) ([\x21-\x7e]*)\n/;

const RESPONSE = /^([1-9][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)\n([\t\x20-\x7e]*)\n/;

export function packRequestHead(
  head: HttpRequest,
  { visitor, requestId }: RequestOrigin,
): Uint8Array {
  const { method, scheme, authority, path, hasBody, upgrade, fields } = head;
  const first = `${method} ${scheme} ${authority} ${path} ${hasBody ? 1 : 0}`;
  return toLatin1(`${first}\n${upgrade ?? ""}\n${visitor} ${requestId}\n${fieldLines(fields)}`);
}

/** @throws {HttpError} 400 */
export function readRequestHead(text: string): { head: HttpRequest; origin: RequestOrigin } {
  const match = REQUEST.exec(text);
  if (match === null) throw bad("a request");
  const [whole, method, scheme, authority, path, hasBody, upgrade, visitor, requestId] = match;
  const fields = readFields(text, whole.length);
  const isConnect = method === "CONNECT";
  if ((authority !== "" || isConnect) && !AUTHORITY.test(authority!)) throw bad("a request's host");
  if (isConnect ? path !== "" : !isPath(path!, method!)) throw bad("a request's path");
  // The service would wait for a body, and take another request for it.
  const [length] = valuesOf(fields, "content-length");
  if (hasBody === "0" && length !== undefined && Number(length) > 0) {
    throw bad("a request's length");
  }
  const head: HttpRequest = {
    method: method!,
    scheme: scheme as "http" | "https",
    authority: authority!,
    path: path!,
    fields,
    hasBody: hasBody === "1",
    upgrade: upgrade === "" ? null : upgrade!,
  };
  return { head, origin: { visitor: visitor!, requestId: requestId! } };
}

export function packResponseHead({ status, reason, fields, upgrade }: HttpResponse): Uint8Array {
  return toLatin1(`${status} ${reason}\n${upgrade ?? ""}\n${fieldLines(fields)}`);
}

/** @throws {HttpError} 400 */
export function readResponseHead(text: string): HttpResponse {
  const match = RESPONSE.exec(text);
  if (match === null) throw bad("a response");
  const [whole, status, reason, upgrade] = match;
  return {
    status: Number(status),
    reason: reason!,
    fields: readFields(text, whole.length),
    upgrade: upgrade === "" ? null : upgrade!,
  };
}

export function packTrailers(trailers: readonly Field[]): Uint8Array {
  return toLatin1(fieldLines(trailers));
}

/** Reads a trailer, without what must not stand there. @throws {HttpError} 400 */
export function readTrailers(text: string): Field[] {
  return readFields(text, 0).filter(({ name }) => mayBeTrailer(name, NO_NAMES));
}

/** Reads fields up to the empty line at the end. @throws {HttpError} 400 */
function readFields(text: string, at: number): Field[] {
  const fields = readFieldLines(text, at);
  if (fields === null) throw bad("fields");
  checkFields(fields);
  return fields;
}

function fieldLines(fields: readonly Field[]): string {
  let lines = "";
  for (const { name, value } of fields) lines += `${name}:${value}\n`;
  return `${lines}\n`;
}

function bad(what: string): HttpError {
  return new HttpError(400, `Cannot read ${what} of an exchange`);
}
