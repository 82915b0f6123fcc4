import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { test } from "../../../tests/check.ts";
import { expire, selfSignedLeaf } from "../../../tests/suite/certificates.ts";
import { denoNet } from "../../../tests/suite/real_nets.ts";
import { readAll, type StreamNet } from "../../../tests/suite/stream_net.ts";
import { streamSuite } from "../../../tests/suite/stream_suite.ts";
import { dial } from "../../app/net/dial_events.ts";
import { accept, write } from "../../app/loop/stream_io.ts";
import { utf8 } from "../../base/bytes.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { DenoClock } from "../reactor/deno_clock.ts";
import { DenoTlsDialer, denoTlsListener } from "./deno_tls.ts";

const LOOPBACK = "127.0.0.1";
const clock = new DenoClock();
const { log, records } = keptLog(clock);

/** Deno's own TLS, whose certificate is verified. */
function denoTls(): StreamNet {
  const inner = denoNet(null);
  const certificate = selfSignedLeaf("IP:127.0.0.1");
  const { signal } = new AbortController();
  return {
    ...inner,
    dialer: new DenoTlsDialer({ ca: certificate.cert, host: LOOPBACK, libc: null }),
    listen: (at, o) =>
      denoTlsListener(inner.listen(at, o), { ...certificate, alpn: [] }, {
        ...{ clock, log },
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

interface Hello {
  readonly host?: string;
  readonly ca?: string | null;
  readonly old?: boolean;
  /** Names of ALPN at the client, and at the server. */
  readonly offered?: readonly string[];
  readonly spoken?: readonly string[];
}

/** Says hello to a server with this certificate, and returns what comes back. */
async function hello(names: string[], o: Hello) {
  await using inner = denoNet(null);
  using certificate = selfSignedLeaf(...names);
  if (o.old === true) expire(certificate);
  const stop = new AbortController();
  const { signal } = stop;
  const plain = inner.listen({ host: LOOPBACK, port: 0 }, { signal });
  await using listener = denoTlsListener(plain, { ...certificate, alpn: o.spoken ?? [] }, {
    ...{ clock, log, signal },
  });
  const serve = async () => {
    await using stream = await accept(listener, { signal });
    await write(stream, await readAll(stream));
  };
  const serving = serve().catch(() => {}); // a client that does not trust it
  const { host = LOOPBACK, ca = certificate.cert, offered = [] } = o;
  const dialer = new DenoTlsDialer({ ca, host, libc: null, alpn: offered, log });
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

test("Deno's TLS: both ends agree on a protocol (ALPN), and say so where there is none", async () => {
  const names = [`IP:${LOOPBACK}`];
  const lines = () => records.splice(0).map(({ message, fields }) => `${message} ${fields.alpn}`);
  lines();
  const rows: [Hello, string[]][] = [
    [{ offered: ["h2", "ttun"], spoken: ["ttun", "h2"] }, Array(2).fill("TLS protocol ttun")],
    [{ offered: ["ttun"] }, ["TLS protocol none"]],
    [{ spoken: ["ttun"] }, ["TLS protocol none"]],
    [{}, []],
  ];
  for (const [o, said] of rows) {
    assert.equal(await hello(names, o), "hello");
    while (records.length < said.length) await delay(1); // the server's comes by itself
    assert.deepEqual(lines(), said);
  }
  const words = /^Cannot use TLS with 127\.0\.0\.1:\d+: the two ends have no protocol in common/;
  const refused = { kind: "protocol", message: words };
  await assert.rejects(hello(names, { offered: ["h2"], spoken: ["ttun"] }), refused);
  while (records.length === 0) await delay(1);
  const [failed] = records.splice(0);
  assert.equal(failed!.message, "TLS handshake failed");
  assert.match(String(failed!.fields.why), words);
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
