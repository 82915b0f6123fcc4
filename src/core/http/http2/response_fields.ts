import type { HttpResponse } from "../exchange.ts";
import { type Field, valuesOf } from "../fields.ts";

/** Returns a field as HTTP/2 has it. */
export function lowerCase({ name, value }: Field): Field {
  return { name: name.toLowerCase(), value };
}

/** Returns a response's header list. Those that have no body by their status have no length. */
export function listOf({ status, fields }: HttpResponse): Field[] {
  const list = [{ name: ":status", value: String(status) }, ...fields.map(lowerCase)];
  return status < 200 || status === 204 ? list.filter(isNotLength) : list;
}

/** Returns the list of a response that opens a tunnel, of which a websocket's has the status 200. */
export function tunnelListOf(head: HttpResponse): Field[] {
  const status = head.status === 101 ? 200 : head.status;
  return listOf({ ...head, status }).filter((field) =>
    isNotLength(field) && field.name !== "sec-websocket-accept"
  );
}

/**
 * Returns how many bytes follow; null = it is not known. An answer of gRPC whose head has the status of
 * its call ends with it ("Trailers-Only"), and clients take it for such a one only where it is so framed.
 */
export function bodyLength(method: string, { status, fields }: HttpResponse): number | null {
  if (method === "HEAD" || status === 204 || status === 304) return 0;
  if (isTrailersOnly(fields)) return 0;
  const [length] = valuesOf(fields, "content-length");
  return length === undefined ? null : Number(length);
}

function isTrailersOnly(fields: readonly Field[]): boolean {
  return valuesOf(fields, "grpc-status").length > 0 &&
    valuesOf(fields, "content-type").some((type) => /^application\/grpc\b/i.test(type));
}

function isNotLength({ name }: Field): boolean {
  return name !== "content-length";
}
