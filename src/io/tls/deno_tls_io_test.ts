import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { expire, selfSignedLeaf } from "../../../tests/suite/certificates.ts";
import { denoNet } from "../../../tests/suite/real_nets.ts";
import { readAll, type StreamNet } from "../../../tests/suite/stream_net.ts";
import { streamSuite } from "../../../tests/suite/stream_suite.ts";
import { dial } from "../../app/net/dial_events.ts";
import { accept, write } from "../../app/loop/stream_io.ts";
import { utf8 } from "../../base/bytes.ts";
import { DenoTlsDialer, denoTlsListener } from "./deno_tls.ts";

const LOOPBACK = "127.0.0.1";

/** Deno's own TLS, whose certificate is verified. */
function denoTls(): StreamNet {
  const inner = denoNet(null);
  const certificate = selfSignedLeaf("IP:127.0.0.1");
  const { signal } = new AbortController();
  return {
    ...inner,
    dialer: new DenoTlsDialer({ ca: certificate.cert, host: LOOPBACK, libc: null }),
    listen: (at, o) =>
      denoTlsListener(inner.listen(at, o), certificate, {
        libc: null,
        signal: o?.signal ?? signal,
      }),
    async [Symbol.asyncDispose]() {
      await inner[Symbol.asyncDispose]();
      certificate[Symbol.dispose]();
    },
  };
}

{
  await using net = denoTls();
  streamSuite("TLS by Deno itself", net.traits, test, denoTls);
}

/** Says hello to a server with this certificate, and returns what comes back. */
async function hello(names: string[], o: { host?: string; ca?: string | null; old?: boolean }) {
  await using inner = denoNet(null);
  using certificate = selfSignedLeaf(...names);
  if (o.old === true) expire(certificate);
  const stop = new AbortController();
  const { signal } = stop;
  const plain = inner.listen({ host: LOOPBACK, port: 0 }, { signal });
  await using listener = denoTlsListener(plain, certificate, { libc: null, signal });
  const serve = async () => {
    await using stream = await accept(listener, { signal });
    await write(stream, await readAll(stream));
  };
  const serving = serve().catch(() => {}); // a client that does not trust it
  const { host = LOOPBACK, ca = certificate.cert } = o;
  const dialer = new DenoTlsDialer({ ca, host, libc: null });
  try {
    await using stream = await dial(dialer, listener.addr, { signal, timeoutMs: 5000 });
    await write(stream, utf8("hello"));
    await stream.closeWrite();
    return new TextDecoder().decode(await readAll(stream));
  } finally {
    stop.abort(new Error("the test is over"));
    await serving;
  }
}

test("Deno's TLS: a right certificate is trusted; another name, an old and a self-signed one are not", async () => {
  const names = ["DNS:server.test", `IP:${LOOPBACK}`];
  assert.equal(await hello(names, {}), "hello");
  assert.equal(await hello(names, { host: "server.test" }), "hello");
  const rows: [Parameters<typeof hello>[1], RegExp][] = [
    [{ host: "other.test" }, /not valid for name/i],
    [{ host: "127.0.0.2" }, /not valid for name/i],
    [{ old: true }, /expired/i],
    [{ ca: null }, /UnknownIssuer|CaUsedAsEndEntity/i],
  ];
  for (const [o, words] of rows) {
    await assert.rejects(hello(names, o), (error: Error & { kind?: string }) => {
      assert.equal(error.kind, "auth", error.message);
      assert.match(error.message, /^Cannot trust the certificate of 127\.0\.0\.1:\d+: /);
      assert.match(error.message, words);
      return true;
    });
  }
});

test("Deno's TLS: a server that speaks something else, files that are none, and an attempt that is given up", async () => {
  await using inner = denoNet(null);
  const { signal } = new AbortController();
  await using plain = inner.listen({ host: LOOPBACK, port: 0 }, { signal });
  const dialer = new DenoTlsDialer({ ca: null, host: LOOPBACK, libc: null });
  const answering = (async () => {
    await using stream = await accept(plain, { signal });
    await write(stream, utf8("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await stream.closeWrite();
  })();
  await assert.rejects(dial(dialer, plain.addr, { signal, timeoutMs: 5000 }), { kind: "protocol" });
  await answering;
  await assert.rejects(dial(dialer, plain.addr, { signal, timeoutMs: 300 }), { kind: "timeout" });
  const reason = new Error("given up");
  const cancel = AbortSignal.abort(reason);
  await assert.rejects(dial(dialer, plain.addr, { signal, cancel }), reason);
  assert.throws(() => new DenoTlsDialer({ ca: "/nowhere", host: "a", libc: null }), {
    kind: "usage",
  });
});
