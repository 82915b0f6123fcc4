import { formatCidr } from "../base/addr.ts";
import { TtunError } from "../base/errors.ts";
import { DEVICE_QUEUE } from "../base/packets.ts";
import { openLibc } from "../../ffi/libc.ts";
import { hasCongestion } from "../../ffi/socket.ts";
import { becomeUser, findUser } from "../../ffi/user.ts";
import { DenoNet } from "../io/deno_net.ts";
import { changeAddresses, configure } from "../io/netcfg.ts";
import { PosixNet } from "../io/posix_net.ts";
import { Reactor } from "../io/reactor.ts";
import { openDevice } from "../io/tun.ts";
import type { Machine } from "./machine.ts";

/**
 * A super-packet with its frame and tag shall go as one through the carrier's TCP, whose own
 * super-packets are of 45 segments: 64 260 bytes over IPv6, 65 160 over IPv4 with timestamps. What
 * is longer leaves a few bytes for a packet of their own, and everything is done twice.
 */
const GSO_MAX_SIZE = 64_000;

const TUNING = { gsoMaxSize: GSO_MAX_SIZE, queueLength: DEVICE_QUEUE };

/** Linux: everything by system calls, the wait blocks unless Deno's own sockets are used. */
export function openLinux(io: "auto" | "ffi" | "deno"): Machine {
  const libc = openLibc();
  const reactor = new Reactor(libc, io === "deno" ? "async" : "blocking");
  return {
    clock: reactor,
    reactor,
    openNet: (config, log) => {
      if (config.io !== "deno") {
        // Unset, a listener takes Multipath TCP and a dialer does not ask for it: as Go's `net`.
        const mptcp = { dial: config.mptcp ?? false, listen: config.mptcp ?? true };
        return new PosixNet(reactor, { mptcp });
      }
      if (config.mptcp === true) {
        log.warn("Multipath TCP is not to be had with --io deno: plain TCP is used");
      }
      return new DenoNet(libc);
    },
    openDevice: (config, signal) =>
      openDevice(reactor, {
        name: config.device,
        mtu: config.mtu,
        signal,
        offload: config.offload,
        addresses: config.addresses.map(formatCidr),
      }),
    configure: (device, config) => configure(libc, device, { ...config, tuning: TUNING }),
    changeAddresses: (device, o) => changeAddresses(libc, device, o),
    check: ({ congestion }) => {
      if (congestion === undefined || hasCongestion(libc, congestion)) return;
      throw new TtunError(
        "usage",
        `Cannot use --congestion ${congestion}: this kernel does not have it, or gives it to root ` +
          "only; see sysctl net.ipv4.tcp_available_congestion_control (and: sudo modprobe tcp_bbr)",
      );
    },
    userChange: (name) => {
      const user = findUser(libc, name);
      return () => becomeUser(libc, user);
    },
    async [Symbol.asyncDispose]() {
      await reactor[Symbol.asyncDispose]();
      libc[Symbol.dispose]();
    },
  };
}
