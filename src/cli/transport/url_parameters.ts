import { TtunError } from "../../base/errors.ts";

/** A URL's text behind the scheme and colon, and how it should be written. */
export interface WrittenUrl {
  readonly scheme: string;
  readonly rest: string;
  readonly form: string;
}

/** Splits `//AUTHORITY[/][?QUERY]`. @throws {TtunError} usage */
export function splitUrl(url: WrittenUrl): { authority: string; query: string } {
  const [, authority, query = ""] = /^\/\/([^?#/]*)\/?(?:\?(.*))?$/s.exec(url.rest) ?? [];
  if (authority === undefined) throw unreadable(url, `write ${url.form}`);
  return { authority, query };
}

/** Reads `NAME=VALUE&…`, each name once at most. @throws {TtunError} usage */
export function parametersOf<Name extends string>(
  url: WrittenUrl,
  query: string,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {};
  for (const part of query === "" ? [] : query.split("&")) {
    const [, name, value] = /^([a-z]+)=(.+)$/s.exec(part) ?? [];
    if (name === undefined || !isOneOf(name, names)) throw unreadable(url, `write ${url.form}`);
    if (found[name] !== undefined) throw unreadable(url, `${name}= stands there twice`);
    found[name] = decode(url, value!);
  }
  return found;
}

/** Returns `?NAME=VALUE&…` of those that have a value. */
export function formatParameters(values: object): string {
  const parameters = Object.entries(values)
    .filter(([, value]) => value !== null && value.length > 0)
    .map(([name, value]) => `${name}=${encode(String(value))}`);
  return parameters.length === 0 ? "" : `?${parameters.join("&")}`;
}

export function unreadable({ scheme, rest }: WrittenUrl, why: string): TtunError {
  return new TtunError("usage", `Cannot read ${JSON.stringify(`${scheme}:${rest}`)}: ${why}`);
}

function isOneOf<Name extends string>(name: string, names: readonly Name[]): name is Name {
  return (names as readonly string[]).includes(name);
}

/** Values may have any character, & and % as %26 and %25 (RFC 3986 section 2.1). */
function encode(value: string): string {
  return value.replace(/[%&]/g, (character) => encodeURIComponent(character));
}

function decode(url: WrittenUrl, value: string): string {
  let text;
  try {
    text = decodeURIComponent(value);
  } catch {
    throw unreadable(url, "a % stands for itself as %25");
  }
  if (text.includes("\0")) throw unreadable(url, "there is a zero byte in it");
  return text;
}
