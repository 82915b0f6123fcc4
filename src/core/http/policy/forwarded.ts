import type { HttpRequest } from "../exchange.ts";
import { type Field, listOf, valuesOf } from "../fields.ts";

export interface ForwardedOptions {
  /** Address of the visitor's connection, without a port. */
  readonly visitor: string;
  /** The visitor is a proxy that is trusted: what it says of its own visitor is kept. */
  readonly isTrusted: boolean;
}

/**
 * Names by which targets learn of the visitor, in lower case. A target that is a CGI program cannot
 * tell `_` from `-`, so names with either are taken.
 */
const NAMES = /^(?:forwarded|x-real-ip|x-forwarded-.*)$/;

/**
 * Adds fields about the visitor for a target (RFC 7239, and the X-Forwarded ones that most read), in
 * place of all that he has sent himself. A trusted proxy's addresses are kept before its own, and so
 * is the scheme and the host that it was asked for.
 */
export function withForwarded(
  head: HttpRequest,
  { visitor, isTrusted }: ForwardedOptions,
): HttpRequest {
  const others = head.fields.filter(({ name }) => !isForwarded(name));
  const kept = isTrusted ? head.fields : [];
  const proto = oneOf(kept, "x-forwarded-proto", /^https?$/i)?.toLowerCase() ?? head.scheme;
  const host = oneOf(kept, "x-forwarded-host", /^[A-Za-z0-9._:[\]-]+$/) ?? head.authority;
  const addresses = [...valuesOf(kept, "x-forwarded-for"), visitor];
  const element = forwardedElement(visitor, proto, host);
  return {
    ...head,
    fields: [
      ...others,
      { name: "X-Forwarded-For", value: addresses.join(", ") },
      { name: "X-Forwarded-Proto", value: proto },
      ...(host === "" ? [] : [{ name: "X-Forwarded-Host", value: host }]),
      { name: "Forwarded", value: [...valuesOf(kept, "forwarded"), element].join(", ") },
    ],
  };
}

function isForwarded(name: string): boolean {
  return NAMES.test(name.toLowerCase().replaceAll("_", "-"));
}

/** Returns the first element of a list, if it is the only field of that name and as it should be. */
function oneOf(fields: readonly Field[], name: string, form: RegExp): string | null {
  if (valuesOf(fields, name).length !== 1) return null;
  const [first] = listOf(fields, name);
  return first !== undefined && form.test(first) ? first : null;
}

function forwardedElement(visitor: string, proto: string, host: string): string {
  const address = visitor.includes(":") ? `"[${visitor}]"` : visitor;
  const isToken = /^[A-Za-z0-9._-]+$/.test(host);
  const named = host === "" ? "" : `;host=${isToken ? host : `"${host}"`}`;
  return `for=${address}${named};proto=${proto}`;
}
