import { type Field, isNamed, trimSpace } from "../fields.ts";

/**
 * Leaves out cookies whose Domain is the apex or above: they would be sent to every other tenant's
 * name. Others are kept unchanged. `dropped`: the cookies' names, for the log.
 */
export function withoutApexCookies(
  fields: readonly Field[],
  apex: string,
): { readonly fields: readonly Field[]; readonly dropped: readonly string[] } {
  const dropped: string[] = [];
  const kept = fields.filter((field) => {
    if (!isNamed(field, "set-cookie") || !reachesApex(field.value, apex)) return true;
    dropped.push(trimSpace(field.value.split(/[=;]/, 1)[0]!));
    return false;
  });
  return dropped.length === 0 ? { fields, dropped } : { fields: kept, dropped };
}

/** Browsers take the last Domain (RFC 6265 section 5.3); here any one counts. */
function reachesApex(cookie: string, apex: string): boolean {
  const wanted = plainDomain(apex);
  return cookie.split(";").slice(1).some((attribute) => {
    const [name, ...value] = attribute.split("=");
    if (trimSpace(name!).toLowerCase() !== "domain") return false;
    const given = trimSpace(value.join("="));
    // Browsers decode it as the host of a URL: "exampl%65.net" is example.net.
    if (given !== "" && !/^"?[A-Za-z0-9._-]+"?$/.test(given)) return true;
    const domain = plainDomain(given);
    return domain !== "" && (wanted === domain || wanted.endsWith(`.${domain}`));
  });
}

/** Takes away what some browser may read past: quotes, dots at either end, letter case. */
function plainDomain(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9.-]/g, "").replace(/^\.{1,8}/, "").replace(
    /\.{1,8}$/,
    "",
  );
}
