import { parseIp } from "../../base/addr.ts";
import { specialUse } from "../acl/special_use.ts";

/**
 * Replaces addresses that are public, and names of hosts, for a report that others may read. Private
 * and reserved addresses stay: they tell what is wrong and whom nobody. `names` are those that the
 * user gave.
 */
export function maskReport(text: string, names: readonly string[]): string {
  const named = names.filter((name) => name !== "" && parseIp(name) === null)
    .reduce((all, name) => all.replaceAll(name, "NAME"), text);
  return named
    .replace(/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, (found) => masked(found, "PUBLIC-IPV4"))
    .replace(/[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F.:]*/g, (found) => masked(found, "PUBLIC-IPV6"));
}

function masked(found: string, word: string): string {
  const ip = parseIp(found);
  return ip === null || specialUse(ip) !== null ? found : word;
}
