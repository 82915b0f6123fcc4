/** Clients of QUIC that are none of ttun's, at a listener of ttun's. */
import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { QUIC_TRAITS, quicCertificate, quicNet } from "../../../tests/suite/quic_net.ts";
import { readAll } from "../../../tests/suite/stream_net.ts";
import { accept, read } from "../../app/loop/stream_io.ts";
import { dial } from "../../app/net/dial_events.ts";
import { requireHostPort } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import { Reactor } from "../reactor/reactor.ts";
import { QuicHost } from "./quic_host.ts";

const CERTIFICATE = quicCertificate();
/** Its socket stays open until it is collected, so that all tests have one. */
const ENDPOINT = new Deno.QuicEndpoint({ hostname: "127.0.0.1" });

const LOST = { kind: "lost" };

assert.ok(QUIC_TRAITS.saysEnd);

interface Stranger {
  readonly conn: Deno.QuicConn;
  /** Writes these bytes on a stream. */
  send(...bytes: number[]): Promise<void>;
  /** Ends QUIC's own stream. */
  finish(): Promise<void>;
}

/** Runs with a listener, a stranger that is connected, and what the listener has accepted of it. */
async function withStranger(
  run: (stranger: Stranger, accepted: () => Promise<Connection>) => Promise<void>,
): Promise<void> {
  using libc = openLibc();
  await using reactor = new Reactor(libc, "async");
  await using host = new QuicHost(reactor);
  const net = quicNet(host, reactor, CERTIFICATE);
  const { signal } = new AbortController();
  await using opened = new AsyncDisposableStack();
  const listener = opened.use(net.listen(net.at, { signal }));
  const { host: hostname, port } = requireHostPort(listener.addr);
  const conn = await Deno.connectQuic<false>({
    ...{ hostname, port, endpoint: ENDPOINT, serverName: "server.test", alpnProtocols: ["ttun/1"] },
    caCerts: [CERTIFICATE.cert],
  });
  conn.closed.catch(() => {}); // however it ends
  let writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  try {
    await run({
      conn,
      send: async (...bytes) => {
        writer ??= (await conn.createBidirectionalStream()).writable.getWriter();
        writer.closed.catch(() => {}); // the listener may end it
        await writer.write(Uint8Array.from(bytes));
      },
      finish: async () => await writer?.close(),
    }, async () => opened.use(await accept(listener, { signal })));
    // The listener lives on.
    const here = opened.use(await dial(net.dialer, listener.addr, { signal }));
    assert.equal(here.peer, `${hostname}:${port}`);
    assert.ok(opened.use(await accept(listener, { signal })));
  } finally {
    conn.close();
  }
}

test("quic: a client that opens no stream is none, and keeps nobody out", async () => {
  await withStranger(() => Promise.resolve());
});

test("quic: bytes that are no frames are a loss", async () => {
  await withStranger(async (stranger, accepted) => {
    await stranger.send(0x47, 0x45, 0x54);
    await assert.rejects(readAll(await accepted()), LOST);
  });
});

test("quic: an end of QUIC's own stream, and a connection that is closed, are no end", async () => {
  await withStranger(async (stranger, accepted) => {
    await stranger.send(1, 0, 0, 2, 7, 8);
    const stream = await accepted();
    const into = new Uint8Array(8);
    assert.equal(await read(stream, into), 2);
    await stranger.finish();
    await assert.rejects(readAll(stream), LOST);
  });
  await withStranger(async (stranger, accepted) => {
    await stranger.send(1, 0, 0, 1, 7);
    const stream = await accepted();
    assert.equal(await read(stream, new Uint8Array(8)), 1);
    stranger.conn.close({ closeCode: 0, reason: "" });
    await assert.rejects(readAll(stream), LOST);
  });
});

test("quic: a client that opens and ends one stream after the other loses its connection", async () => {
  await withStranger(async (stranger, accepted) => {
    await stranger.send(1);
    const stream = await accepted();
    stream.beside!.onOpened((opened) => opened.reset());
    const opening = (async () => {
      for (;;) {
        const { writable } = await stranger.conn.createBidirectionalStream({
          waitUntilAvailable: true,
        });
        const writer = writable.getWriter();
        writer.closed.catch(() => {}); // the listener may end it
        await writer.write(Uint8Array.of(1));
        await writer.close();
      }
    })();
    await assert.rejects(Promise.all([opening, readAll(stream)]));
    await assert.rejects(readAll(stream), LOST);
    await opening.catch(() => {}); // the connection has ended
  });
});

test("quic: data of one that nobody takes waits at the client", async () => {
  await withStranger(async (stranger, accepted) => {
    await stranger.send(1);
    const frame = [0, 0xff, 0xff, ...new Uint8Array(65_535)];
    let sent = 0;
    const flood = (async () => {
      for (;; sent++) await stranger.send(...frame);
    })().catch(() => {}); // it is closed in the end
    // Until it makes no progress any more.
    for (let before = -1; before !== sent;) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    assert.ok(sent < 512, `${sent} frames`);
    const stream = await accepted();
    assert.ok((await read(stream, new Uint8Array(100_000)))! > 0);
    stranger.conn.close();
    await flood;
  });
});
