import { setImmediate } from "node:timers/promises";
import { MemoryNet } from "../../../tests/fake/memory.ts";
import { ttStream } from "../../../tests/fake/tt_ends.ts";
import type { StreamNet, StreamTraits } from "../../../tests/suite/stream_net.ts";
import { streamSuite } from "../../../tests/suite/stream_suite.ts";
import { requireHostPort } from "../../base/addr.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { PeerKind } from "../../core/tt/mark.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

const TRAITS: StreamTraits = {
  flood: 1 << 20,
  most: 1 << 18,
  resets: true,
  refusesWhenClosed: true,
  ip: false,
};

/** The memory net with both ends of every connection in frames. */
function framedNet(peer: PeerKind, capacity?: number): StreamNet {
  const net = new MemoryNet(capacity === undefined ? {} : { capacity });
  const dialer = net.dialer();
  return {
    dialer: dialBy(async (to, o) => framedOn(await dial(dialer, to, o), peer)),
    listen: (at, o) => framed(net.listen(requireHostPort(at), o), peer),
    at: { host: "192.0.2.1", port: 0 },
    pause: () => setImmediate(),
    traits: { ...TRAITS, saysEnd: peer === "lasting" },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A stream in frames with what the cases ask of a connection. */
function framedOn(socket: Connection, peer: PeerKind): Connection {
  return Object.assign(ttStream(socket, { peer }), {
    remote: socket.remote,
    congestion: socket.congestion,
    setOptions: (o: SocketOptions) => socket.setOptions(o),
  });
}

function framed(inner: Listener, peer: PeerKind): Listener {
  return {
    addr: inner.addr,
    acceptNow: (o) => {
      const stream = inner.acceptNow(o);
      return stream === null ? null : framedOn(stream, peer);
    },
    onAcceptable: (run) => inner.onAcceptable(run),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

streamSuite("frames for an existing peer", TRAITS, Deno.test, () => framedNet("unmarked"));
streamSuite("frames for a marked peer", TRAITS, Deno.test, () => framedNet("marked"));
streamSuite("frames over a narrow socket", TRAITS, Deno.test, () => framedNet("marked", 4000));
streamSuite("frames whose end is one", TRAITS, Deno.test, () => framedNet("lasting"));
streamSuite("frames whose end is one, narrow", TRAITS, Deno.test, () => framedNet("lasting", 4000));
