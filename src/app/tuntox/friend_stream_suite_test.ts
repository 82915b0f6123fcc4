import { FakePacketLink } from "../../../tests/fake/packet_link.ts";
import type { StreamNet } from "../../../tests/suite/stream_net.ts";
import { streamSuite } from "../../../tests/suite/stream_suite.ts";
import { type Addr, requireHostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import { DenoClock } from "../../io/reactor/deno_clock.ts";
import { FriendDialer } from "./friend_dialer.ts";
import { FriendListener } from "./friend_listener.ts";
import { SplitLink } from "./split_link.ts";
import { StreamLink } from "./stream_link.ts";

const HOST = "192.0.2.1";

const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));

/** The addresses that the cases ask for; the transport itself has none. */
function addressed(stream: Connection, local: Addr, remote: Addr): Connection {
  return Object.assign(stream, { local, remote });
}

/** A friend for each connection, and a server for each port. */
function friendNet(): StreamNet {
  const clock = new DenoClock();
  const listeners = new Map<number, FriendListener>();
  let nextPort = 1;
  const links: StreamLink[] = [];
  const dialer: Dialer = {
    start(to, o, events) {
      const server = requireHostPort(to);
      const listener = listeners.get(server.port)!;
      const [near, far] = FakePacketLink.pair(clock, `tox:${server.port}`);
      const client = new StreamLink(new SplitLink(near).streams, { clock });
      links.push(client, listener.serve(new SplitLink(far).streams));
      near.setUp(true);
      const friend = new FriendDialer(client, {
        clock,
        deadlineMs: 1000,
        notReached: () => new TtunError("timeout", "not reached"),
      });
      const connected = (stream: Connection) =>
        events.connected(addressed(stream, { host: HOST, port: 1 }, server));
      friend.start(undefined, o, { connected, failed: (error) => events.failed(error) });
    },
  };
  return {
    dialer,
    listen(at, { signal }) {
      const wanted = requireHostPort(at).port;
      const port = wanted === 0 ? nextPort++ : wanted;
      const before = listeners.get(port);
      if (wanted !== 0 && !isClosed(before)) throw new TtunError("in_use", "The port is taken");
      const listener = new FriendListener(clock, signal);
      listeners.set(port, listener);
      const addr = { host: HOST, port };
      return {
        addr,
        acceptNow: (o) => {
          const stream = listener.acceptNow(o);
          return stream === null ? null : addressed(stream, addr, { host: HOST, port: 1 });
        },
        onAcceptable: (run) => listener.onAcceptable(run),
        [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
      };
    },
    at: { host: HOST, port: 0 },
    pause,
    traits: {
      flood: 4 << 20,
      most: 1 << 18,
      resets: true,
      refusesWhenClosed: true,
      saysEnd: true,
      ip: false,
    },
    [Symbol.asyncDispose]: async () => {
      await pause(5);
      for (const link of links) link[Symbol.dispose]();
      await pause(20); // timers of the links
    },
  };
}

function isClosed(listener: FriendListener | undefined): boolean {
  try {
    listener?.onAcceptable(() => {});
    return false;
  } catch {
    return true; // the only way in which a listener tells
  }
}

streamSuite("streams with a friend", friendNet().traits, Deno.test, friendNet);
