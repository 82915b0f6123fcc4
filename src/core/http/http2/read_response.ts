import { checkFields } from "../check_fields.ts";
import { HttpError } from "../error.ts";
import type { HttpRequest, HttpResponse } from "../exchange.ts";
import type { Field } from "../fields.ts";
import type { TableEntry } from "../hpack/dynamic_table.ts";
import { lowerCase } from "./response_fields.ts";

/** Reads a response of HTTP/2 or 3 (RFC 9113 section 8.3.2). @throws {HttpError} */
export function readStreamResponse(list: readonly TableEntry[]): HttpResponse {
  const [first, ...fields] = list;
  const hasOther = fields.some(({ name, isValid }) => !isValid || name.startsWith(":"));
  if (first?.name !== ":status" || !/^[1-5][0-9]{2}$/.test(first.value) || hasOther) {
    throw new HttpError(502, "The answer has no status, or fields that none may have");
  }
  const status = Number(first.value);
  if (status === 101) throw new HttpError(502, "The answer changes the protocol unasked");
  checkFields(fields);
  return { status, reason: "", fields, upgrade: null };
}

/** Returns a request's header list. `scheme`: that of the connection. */
export function requestListOf(head: HttpRequest, scheme: "http" | "https"): Field[] {
  return [
    { name: ":method", value: head.method },
    { name: ":scheme", value: scheme },
    { name: ":authority", value: head.authority },
    { name: ":path", value: head.path },
    ...head.fields.map(lowerCase),
  ];
}
