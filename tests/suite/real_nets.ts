import type { Libc } from "../../ffi/linux/libc.ts";
import type { Clock } from "../../src/contract/host.ts";
import { DenoNet } from "../../src/io/net/deno_net.ts";
import { PosixNet } from "../../src/io/net/posix_net.ts";
import { Reactor, type ReactorMode } from "../../src/io/reactor/reactor.ts";
import type { StreamNet, StreamTraits } from "./stream_net.ts";

/** TCP on this machine's loopback. */
export const TCP_TRAITS: StreamTraits = {
  flood: 64 * 1024 * 1024,
  most: 3_000_000,
  resets: true,
  refusesWhenClosed: true,
  ip: true,
};

export const MPTCP_TRAITS: StreamTraits = { ...TCP_TRAITS, refusesWhenClosed: false };

const LOOPBACK = { host: "127.0.0.1", port: 0 };

/** A reactor of its own, closed with the net. */
export function posixNet(libc: Libc, mode: ReactorMode, mptcp = false): StreamNet {
  const reactor = new Reactor(libc, mode);
  const net = new PosixNet(reactor, { mptcp: { dial: mptcp, listen: mptcp } });
  return {
    dialer: net,
    listen: (at, o) => net.listen(at, o),
    at: LOOPBACK,
    pause: pauseBy(reactor),
    traits: mptcp ? MPTCP_TRAITS : TCP_TRAITS,
    [Symbol.asyncDispose]: () => reactor[Symbol.asyncDispose](),
  };
}

export function denoNet(libc: Libc | null): StreamNet {
  const net = new DenoNet(libc);
  return {
    dialer: net,
    listen: (at, o) => net.listen(at, o),
    at: LOOPBACK,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    traits: { ...TCP_TRAITS, resets: libc !== null },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

export function pauseBy(clock: Clock): (ms: number) => Promise<void> {
  return (ms) => new Promise((resolve) => void clock.after(ms, resolve));
}
