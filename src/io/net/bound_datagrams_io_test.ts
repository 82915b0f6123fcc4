import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import type { BoundDatagrams } from "../../contract/datagrams.ts";
import { Reactor } from "../reactor/reactor.ts";
import { PosixDatagrams } from "./posix_datagrams.ts";

const { signal } = new AbortController();

async function withSockets(
  body: (datagrams: PosixDatagrams, reactor: Reactor) => Promise<void>,
): Promise<void> {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  await body(new PosixDatagrams(reactor), reactor);
}

/** Waits for the next datagram: its text, and the address that it came from. */
async function next(socket: BoundDatagrams): Promise<{ text: string; host: string; port: number }> {
  const into = new Uint8Array(100);
  let found: { text: string; host: string; port: number } | null = null;
  for (;;) {
    socket.receiveNow(into, (size, from) => {
      found = { text: new TextDecoder().decode(into.subarray(0, size)), ...from };
    });
    if (found !== null) return found;
    await new Promise<void>((resolve) => socket.onReceivable(() => resolve()));
  }
}

const text = (words: string) => new TextEncoder().encode(words);

for (const [host, from] of [["", "127.0.0.1"], ["", "::1"], ["127.0.0.1", ""], ["::1", "::1"]]) {
  test(`datagrams go there and back: socket ${host || "on all"}, peer ${from || "on all"}`, async () => {
    await withSockets(async (datagrams) => {
      using socket = datagrams.bind({ host: host!, port: 0 }, { signal });
      using peer = datagrams.bind({ host: from!, port: 0 }, { signal });
      assert(socket.addr.port > 0);
      const to = host || from!;
      peer.sendTo(text("one"), { host: to, port: socket.addr.port });
      const one = await next(socket);
      assert.deepEqual(one, { text: "one", host: from || "127.0.0.1", port: peer.addr.port });
      socket.sendTo(text(""), one);
      const { text: back, port } = await next(peer);
      assert.deepEqual([back, port], ["", socket.addr.port]);
      socket.sendTo(new Uint8Array(70_000), one); // too long for UDP: it is dropped
    });
  });
}

test("a port that is taken is in use; a closed socket throws, and its waiting reader is called", async () => {
  await withSockets(async (datagrams) => {
    const stop = new AbortController();
    using socket = datagrams.bind({ host: "127.0.0.1", port: 0 }, { signal: stop.signal });
    assert.throws(() => datagrams.bind(socket.addr, { signal }), { kind: "in_use" });
    assert.equal(socket.receiveNow(new Uint8Array(1), () => {}), false);
    const called = new Promise<void>((resolve) => socket.onReceivable(() => resolve()));
    stop.abort(new Error("over"));
    await called;
    assert.throws(() => socket.receiveNow(new Uint8Array(1), () => {}), /over/);
    socket.sendTo(text("x"), socket.addr);
    using again = datagrams.bind(socket.addr, { signal });
    assert.equal(again.addr.port, socket.addr.port);
  });
});
