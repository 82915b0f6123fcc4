import type { Cidr } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import type { Netlink } from "../../../ffi/linux/netlink.ts";
import { readSysctl } from "../../io/changes/sysctl.ts";
import { familiesWithRules } from "../../io/netcfg/default_route.ts";

/** A setting that there is not in a kernel without IPv6. */
const IPV6_OFF = "/proc/sys/net/ipv6/conf/all/disable_ipv6";

/** Halves of all addresses: more specific than the default routes, which stay as they are. */
const HALVES: Readonly<Record<4 | 6, readonly Cidr[]>> = {
  4: [0, 128].map((first) => half(4, first)),
  6: [0, 128].map((first) => half(6, first)),
};

function half(family: 4 | 6, first: number): Cidr {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  bytes[0] = first;
  return { family, bytes, prefix: 1 };
}

/** Returns routes for all traffic where the kernel has no rules; none where it has them. */
export function halfRoutes(
  { libc, netlink, log }: {
    readonly libc: Libc;
    readonly netlink: Netlink;
    readonly log: Logger;
  },
): readonly Cidr[] {
  const families = familiesWithRules(netlink);
  const hasV6 = readSysctl(libc, IPV6_OFF) !== null;
  const lacking = ([4, 6] as const).filter((family) =>
    !families.includes(family) && (family === 4 || hasV6)
  );
  if (lacking.length > 0) {
    log.warn(
      "this kernel has no routing rules: all traffic goes through the tunnel by half routes, which " +
        "more specific routes come before, those that DHCP sets too; --exclude does nothing",
      { families: lacking.map((family) => `IPv${family}`).join(",") },
    );
  }
  return lacking.flatMap((family) => HALVES[family]);
}
