import { TtunError } from "../../base/errors.ts";
import { planCongestion } from "../../core/net/congestion.ts";
import { hasCongestion, systemCongestion } from "../../../ffi/linux/congestion.ts";
import { raiseDescriptorLimit } from "../../../ffi/linux/descriptor_limit.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { CAP_NET_ADMIN } from "../../../ffi/linux/capabilities.ts";
import { becomeUser, findUser } from "../../../ffi/linux/user.ts";
import { DenoNet } from "../../io/net/deno_net.ts";
import { linuxAddresses } from "../../io/netcfg/own_addresses.ts";
import { PosixNet } from "../../io/net/posix_net.ts";
import { Reactor } from "../../io/reactor/reactor.ts";
import type { SocketPlatform } from "./platform.ts";
import { refuseSegmentLimits } from "./sockets_deno.ts";
import { UnixNet } from "./unix_net.ts";

/** Opens a reactor, whose wait blocks without Deno's sockets. `busyPoll`: see Reactor. */
export function openLinuxSockets(
  io: "auto" | "ffi" | "deno",
  o: { busyPoll?: boolean } = {},
): SocketPlatform & { readonly reactor: Reactor; readonly libc: Libc } {
  const libc = openLibc();
  const reactor = new Reactor(libc, io === "deno" ? "async" : "blocking", o);
  return {
    libc,
    descriptors: raiseDescriptorLimit(libc),
    clock: reactor,
    reactor,
    ownAddresses: () => linuxAddresses(libc, reactor),
    openNet: (config, log) => {
      if (config.io !== "deno") {
        // Like Go's `net`: a listener accepts Multipath TCP and a dialer does not ask.
        const mptcp = { dial: config.mptcp ?? false, listen: config.mptcp ?? true };
        const { segmentBytes, mark } = config;
        const net = new PosixNet(reactor, { mptcp, segmentBytes, mark });
        return new UnixNet(net, reactor, log);
      }
      refuseSegmentLimits(config);
      if (config.mptcp === true) {
        log.warn("Multipath TCP is not to be had with --io deno: plain TCP is used");
      }
      return new UnixNet(new DenoNet(libc), reactor, log);
    },
    planCongestion: (wanted) => {
      const isGiven = (name: string) => hasCongestion(libc, name);
      const plan = planCongestion(wanted, systemCongestion(libc), isGiven);
      if (plan !== null) return plan;
      throw new TtunError(
        "usage",
        `Cannot use --congestion ${wanted}: this kernel does not have it, or gives it to root ` +
          "only; see sysctl net.ipv4.tcp_available_congestion_control (and: sudo modprobe tcp_bbr)",
      );
    },
    userChange: (name, change) => {
      const user = findUser(libc, name);
      // A loop that waits on Deno's pool starts threads, which would inherit the privilege.
      const mayKeep = change !== undefined && reactor.mode === "blocking";
      return () => becomeUser(libc, user, mayKeep ? { keep: CAP_NET_ADMIN } : {});
    },
    async [Symbol.asyncDispose]() {
      await reactor[Symbol.asyncDispose]();
      libc[Symbol.dispose]();
    },
  };
}
