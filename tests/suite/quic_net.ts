import { requireHostPort } from "../../src/base/addr.ts";
import { PosixDatagrams } from "../../src/io/net/posix_datagrams.ts";
import { QuicDialer } from "../../src/io/quic/quic_dialer.ts";
import type { QuicHost } from "../../src/io/quic/quic_host.ts";
import { QuicListener } from "../../src/io/quic/quic_listener.ts";
import type { Reactor } from "../../src/io/reactor/reactor.ts";
import { keptLog } from "../fake/log.ts";
import { selfSignedLeaf } from "./certificates.ts";
import { pauseBy } from "./real_nets.ts";
import type { StreamNet, StreamTraits } from "./stream_net.ts";

export const QUIC_TRAITS: StreamTraits = {
  flood: 16 * 1024 * 1024,
  most: 3_000_000,
  resets: true,
  refusesWhenClosed: true,
  saysEnd: true,
  saysRefused: false,
  ip: false,
};

const PROTOCOL = { alpn: "ttun/1", beside: 1 };

/** PEM texts of a server's certificate, which is its own authority. */
export function quicCertificate(): { readonly cert: string; readonly key: string } {
  using files = selfSignedLeaf("DNS:server.test");
  return { cert: Deno.readTextFileSync(files.cert), key: Deno.readTextFileSync(files.key) };
}

/** QUIC on this machine's loopback. Borrows the host. */
export function quicNet(
  host: QuicHost,
  reactor: Reactor,
  { cert, key }: ReturnType<typeof quicCertificate>,
): StreamNet {
  const names = new PosixDatagrams(reactor);
  const { log } = keptLog(reactor);
  return {
    dialer: new QuicDialer(host, {
      serverName: "server.test",
      caCerts: [cert],
      protocol: PROTOCOL,
      sourceOf: (to) => names.sourceOf(to),
      timeoutMs: 25_000,
    }),
    listen: (at, { signal }) => {
      const end = { at: requireHostPort(at), cert, key, protocol: PROTOCOL };
      return new QuicListener(host, end, { clock: reactor, log, signal });
    },
    at: { host: "127.0.0.1", port: 0 },
    pause: pauseBy(reactor),
    traits: QUIC_TRAITS,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
