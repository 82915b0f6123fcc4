import { isHostName } from "./host_name.ts";
import type { ResolvConf } from "./resolv_conf.ts";

/** Returns the names to try in turn (resolv.conf(5), `search` and `ndots`), none too long. */
export function namesToAsk(
  name: string,
  isAbsolute: boolean,
  { search, ndots }: Pick<ResolvConf, "search" | "ndots">,
): string[] {
  if (isAbsolute) return [name];
  const below = search.map((domain) => `${name}.${domain}`).filter(isHostName);
  const dots = name.split(".").length - 1;
  return [...new Set(dots >= ndots ? [name, ...below] : [...below, name])];
}
