/** The cable between the hosts without any tunnel: the ceiling of what the machine can carry. */
import type { Contender } from "./contender.ts";

export const VETH = "veth, no tunnel";

export const veth: Contender = {
  name: VETH,
  inner: "192.0.2.1",
  prepare: () =>
    Promise.resolve(async (hosts, mtu) => {
      if (mtu === null) return [];
      for (const host of [hosts.server, hosts.client]) {
        await host.sh(`ip link set veth0 mtu ${mtu}`);
      }
      return [];
    }),
};
