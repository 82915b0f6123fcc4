import type { HttpRequest, HttpResponse } from "../exchange.ts";
import { type Field, isNamed } from "../fields.ts";

/**
 * Makes redirects of a target, which knows itself by `target`, lead to where the visitor has come
 * from. Locations elsewhere, and those without a host, are left alone.
 */
export function withPublicLocation(
  head: HttpResponse,
  target: { readonly scheme: "http" | "https"; readonly authority: string },
  visited: Pick<HttpRequest, "scheme" | "authority">,
): HttpResponse {
  const fields = head.fields.map((field) =>
    isNamed(field, "location") || isNamed(field, "content-location")
      ? { name: field.name, value: publicUrl(field.value, target.authority, visited) }
      : field
  );
  return fields.every((field, i) => field.value === head.fields[i]!.value) ? head : {
    ...head,
    fields,
  };
}

function publicUrl(
  url: string,
  authority: string,
  visited: Pick<HttpRequest, "scheme" | "authority">,
): Field["value"] {
  const match = /^(https?:)?\/\/([^/?#]*)(.*)$/i.exec(url);
  if (match === null || plain(match[1], match[2]!) !== plain(match[1], authority)) return url;
  return `${match[1] === undefined ? "" : `${visited.scheme}:`}//${visited.authority}${match[3]!}`;
}

/** Returns a host without the port that its scheme has anyway, in lower case. */
function plain(scheme: string | undefined, authority: string): string {
  const port = scheme?.toLowerCase() === "https:" ? ":443" : ":80";
  const lower = authority.toLowerCase();
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower;
}
