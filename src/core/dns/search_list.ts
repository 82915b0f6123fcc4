import { isHostName } from "./host_name.ts";
import type { ResolvConf } from "./resolv_conf.ts";

/**
 * The names that are asked for in turn until one is there (resolv.conf(5), `search` and `ndots`).
 * Names that are too long with their domain are left out.
 */
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
