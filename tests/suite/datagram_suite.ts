import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import {
  type DatagramPath,
  type Datagrams,
  noDatagrams,
  type OpenDatagrams,
  TOO_LONG,
} from "../../src/contract/datagrams.ts";

/** Sockets of one network, and what it has. */
export interface DatagramNet extends AsyncDisposable {
  readonly open: OpenDatagrams;
  /** An address of this machine, and another one that leads to it too. */
  readonly host: string;
  readonly otherHost: string;
  /** It tells by which address of this machine a datagram came, and answers by it. */
  readonly hasLocal: boolean;
  readonly hasEcn: boolean;
}

type Register = (name: string, run: () => Promise<void>) => void;

const LONGER_THAN_UDP = 70_000;

/** A datagram that was received. */
interface One {
  readonly text: string;
  readonly size: number;
  readonly path: DatagramPath;
  readonly ecn: number;
}

const into = new Uint8Array(65_536);

/** Receives until there are as many datagrams. */
async function receive(socket: Datagrams, count: number): Promise<One[]> {
  const found: One[] = [];
  const got = noDatagrams();
  while (found.length < count) {
    if (!socket.receiveNow(into, got)) {
      await new Promise<void>((resolve) => socket.onReceivable(() => resolve()));
      continue;
    }
    const { size, segment, path, ecn } = got;
    for (let at = 0; at < size; at += segment) {
      const bytes = into.subarray(at, Math.min(size, at + segment));
      found.push({ text: new TextDecoder().decode(bytes), size: bytes.length, path, ecn });
    }
  }
  equal(found.length, count);
  return found;
}

/** Sends all, and waits wherever there is no room. */
async function send(
  socket: Datagrams,
  bytes: Uint8Array,
  segment: number,
  path: DatagramPath,
  ecn?: number,
): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    const took = socket.sendNow(bytes.subarray(sent), segment, path, ecn);
    ok(took >= 0);
    sent += took;
    if (sent < bytes.length) {
      await new Promise<void>((resolve) => socket.onSendable(() => resolve()));
    }
  }
}

/** Opens on a port of a socket that was closed, once the system has it back. */
async function openFreed(open: OpenDatagrams, at: Datagrams["addr"]): Promise<Datagrams> {
  for (;;) {
    try {
      return await open(at, { signal: new AbortController().signal });
    } catch (error) {
      if (!(error instanceof TtunError && error.kind === "in_use")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Conformance to the contract `Datagrams`, whatever opens them. */
export function datagramSuite(
  label: string,
  register: Register,
  openNet: () => DatagramNet,
): void {
  const check = (
    name: string,
    run: (o: { net: DatagramNet; server: Datagrams; client: Datagrams }) => Promise<void>,
  ) =>
    register(`${label}: ${name}`, async () => {
      await using net = openNet();
      const { signal } = new AbortController();
      using server = await net.open({ host: "", port: 0 }, { signal });
      using client = await net.open({ host: net.host, port: 0 }, { signal });
      await run({ net, server, client });
    });
  const to = (net: DatagramNet, socket: Datagrams) => ({ host: net.host, port: socket.addr.port });

  check("what is sent at once comes cut as it was asked, and as it was", async (o) => {
    const path = o.client.pathTo(to(o.net, o.server));
    const bytes = Uint8Array.from({ length: 30 * 1000 + 17 }, (_, i) => 33 + (i * 7 % 90));
    await send(o.client, bytes, 1000, path);
    const came = await receive(o.server, 31);
    deepEqual(came.map(({ size }) => size), [...new Array(30).fill(1000), 17]);
    equal(came.map(({ text }) => text).join(""), new TextDecoder().decode(bytes));
  });

  check("much at once all goes, in as many turns as it takes", async (o) => {
    const path = o.client.pathTo(to(o.net, o.server));
    await send(o.client, new Uint8Array(130 * 500), 500, path);
    equal((await receive(o.server, 130)).length, 130);
  });

  check("one alone, and a shorter one than the segment", async (o) => {
    const path = o.client.pathTo(to(o.net, o.server));
    await send(o.client, utf8("short"), 1400, path);
    await send(o.client, utf8("exact"), 5, path);
    deepEqual((await receive(o.server, 2)).map(({ text }) => text), ["short", "exact"]);
  });

  check("answers go back by the path, whose object stays", async (o) => {
    using other = await o.net.open({ host: o.net.host, port: 0 }, {
      signal: new AbortController().signal,
    });
    const [a, b] = [o.client, other].map((one) => one.pathTo(to(o.net, o.server)));
    await send(o.client, utf8("a"), 9, a!);
    const [first] = await receive(o.server, 1);
    equal(first!.path.remote.port, o.client.addr.port);
    equal(first!.path.remote.host, o.net.host);
    await send(other, utf8("b"), 9, b!);
    const [second] = await receive(o.server, 1);
    equal(second!.path.remote.port, other.addr.port);
    await send(o.server, utf8("to a"), 9, first!.path);
    await send(o.server, utf8("to b"), 9, second!.path);
    const [answer] = await receive(o.client, 1);
    equal(answer!.text, "to a");
    equal(answer!.path.remote.port, o.server.addr.port);
    equal((await receive(other, 1))[0]!.text, "to b");
  });

  check("paths are the same object while datagrams come by one", async (o) => {
    const path = o.client.pathTo(to(o.net, o.server));
    const got = noDatagrams();
    const seen: DatagramPath[] = [];
    for (let i = 0; i < 3; i++) {
      await send(o.client, utf8("x"), 1, path);
      while (!o.server.receiveNow(into, got)) {
        await new Promise<void>((resolve) => o.server.onReceivable(() => resolve()));
      }
      seen.push(got.path);
    }
    equal(seen[0], seen[1]);
    equal(seen[1], seen[2]);
  });

  check("the address that was asked answers", async ({ net, server, client }) => {
    if (!net.hasLocal) return;
    const path = client.pathTo({ host: net.otherHost, port: server.addr.port });
    await send(client, utf8("q"), 9, path);
    const [question] = await receive(server, 1);
    equal(question!.path.local, net.otherHost);
    await send(server, utf8("a"), 9, question!.path);
    const [answer] = await receive(client, 1);
    deepEqual(answer!.path.remote, { host: net.otherHost, port: server.addr.port });
  });

  check("ECN comes as it was sent, and those of different ones are not joined", async (o) => {
    if (!o.net.hasEcn) return;
    const path = o.client.pathTo(to(o.net, o.server));
    for (const ecn of [0, 1, 2, 3]) await send(o.client, new Uint8Array(200), 100, path, ecn);
    const came = await receive(o.server, 8);
    deepEqual(came.map(({ ecn }) => ecn), [0, 0, 1, 1, 2, 2, 3, 3]);
  });

  check("one that is too long is refused, and the socket goes on", async (o) => {
    const path = o.client.pathTo(to(o.net, o.server));
    equal(o.client.sendNow(new Uint8Array(LONGER_THAN_UDP), LONGER_THAN_UDP, path), TOO_LONG);
    await send(o.client, utf8("next"), 9, path);
    equal((await receive(o.server, 1))[0]!.text, "next");
  });

  check("a datagram is cut to the room there is", async (o) => {
    const path = o.client.pathTo(to(o.net, o.server));
    await send(o.client, new Uint8Array(500), 500, path);
    const got = noDatagrams();
    while (!o.server.receiveNow(into.subarray(0, 100), got)) {
      await new Promise<void>((resolve) => o.server.onReceivable(() => resolve()));
    }
    equal(got.size, 100);
  });

  check("what nobody takes is dropped", async (o) => {
    const gone = await o.net.open({ host: o.net.host, port: 0 }, {
      signal: new AbortController().signal,
    });
    const { port } = gone.addr;
    gone[Symbol.dispose]();
    const nobody = o.client.pathTo({ host: o.net.host, port });
    for (let i = 0; i < 3; i++) await send(o.client, utf8("x"), 9, nobody);
    await send(o.client, utf8("y"), 9, o.client.pathTo(to(o.net, o.server)));
    equal((await receive(o.server, 1))[0]!.text, "y");
  });

  check("what is for port 0 is dropped, and the socket goes on", async (o) => {
    const nowhere = o.client.pathTo({ host: o.net.host, port: 0 });
    await send(o.client, new Uint8Array(300), 100, nowhere);
    await send(o.client, utf8("next"), 9, o.client.pathTo(to(o.net, o.server)));
    equal((await receive(o.server, 1))[0]!.text, "next");
  });

  check("a port that is taken is in use", async ({ net, client }) => {
    const again = { host: net.host, port: client.addr.port };
    await rejects(
      async () => await net.open(again, { signal: new AbortController().signal }),
      { kind: "in_use" },
    );
  });

  check("a closed socket throws its reason, and calls those that wait", async ({ net }) => {
    const stop = new AbortController();
    using socket = await net.open({ host: net.host, port: 0 }, { signal: stop.signal });
    equal(socket.receiveNow(into, noDatagrams()), false);
    const called = new Promise<void>((resolve) => socket.onReceivable(() => resolve()));
    stop.abort(new Error("over"));
    await called;
    throws(() => socket.receiveNow(into, noDatagrams()), /over/);
    throws(() => socket.sendNow(into, 100, socket.pathTo(socket.addr)), /over/);
    await rejects(async () => await net.open(socket.addr, { signal: stop.signal }), /over/);
    using _again = await openFreed(net.open, socket.addr);
  });
}
