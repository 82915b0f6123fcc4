import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { test } from "../../../tests/check.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { type Certificate, expire, selfSigned } from "../../../tests/suite/certificates.ts";
import { readAll } from "../../../tests/suite/stream_net.ts";
import { dial } from "../../app/net/dial_events.ts";
import { accept, read, write } from "../../app/loop/stream_io.ts";
import { fromHex, toHex, utf8 } from "../../base/bytes.ts";
import type { HostPort } from "../../base/addr.ts";
import type { Clock } from "../../contract/host.ts";
import { PosixNet } from "../net/posix_net.ts";
import { Reactor } from "../reactor/reactor.ts";
import { TlsDialer } from "./tls_dialer.ts";
import { TlsListener } from "./tls_listener.ts";

const LOOPBACK = "127.0.0.1";
const NAMES = ["DNS:server.test", `IP:${LOOPBACK}`];

interface World extends AsyncDisposable {
  readonly certificate: Certificate;
  readonly listener: TlsListener;
  readonly at: HostPort;
  readonly net: PosixNet;
  readonly signal: AbortSignal;
  lines(): string[];
  /** Connects and says a word; resolves with the echo. */
  echo(o?: { ca?: string | null; host?: string; pin?: string }): Promise<string>;
}

/** A server that echoes what comes first, and a client. `clock`: that of the listener. */
function openWorld(certificate: Certificate, clock?: Clock): World {
  const stack = new AsyncDisposableStack();
  const libc = stack.use(openLibc());
  const libssl = stack.use(openLibssl());
  const server = stack.use(libssl.serverContext(certificate));
  const reactor = stack.use(new Reactor(libc, "async"));
  const net = new PosixNet(reactor, { mptcp: { dial: false, listen: false } });
  const stop = new AbortController();
  const { signal } = stop;
  const { log, records } = keptLog(reactor);
  const inner = net.listen({ host: LOOPBACK, port: 0 }, { signal });
  const listener = stack.use(
    new TlsListener(inner, { context: server, clock: clock ?? reactor, log }),
  );
  const serving = (async () => {
    for (;;) {
      const stream = await accept(listener, { signal });
      const serve = async () => {
        await using _stream = stream;
        const into = new Uint8Array(100);
        const got = await read(stream, into);
        if (got !== null) await write(stream, into.subarray(0, got));
      };
      serve().catch(() => {}); // a client that is gone
    }
  })().catch(() => {}); // until the end
  stack.defer(async () => {
    stop.abort(new Error("the test is over"));
    await serving;
  });
  const at = listener.addr as HostPort;
  return {
    certificate,
    listener,
    at,
    net,
    signal,
    lines: () => records.map(({ message, fields }) => `${message} ${fields?.why ?? ""}`),
    echo: async ({ ca = certificate.cert, host = LOOPBACK, pin } = {}) => {
      using context = libssl.clientContext(pin === undefined ? ca : null);
      const o = { context, clock: reactor, host, pin: pin === undefined ? null : fromHex(pin) };
      await using stream = await dial(new TlsDialer(net, o), at, { signal, timeoutMs: 5000 });
      await write(stream, utf8("hello"));
      return new TextDecoder().decode(await readAll(stream));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function digest({ cert }: Certificate): Promise<string> {
  const pem = await Deno.readTextFile(cert);
  const der = Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, "")), (c) => c.charCodeAt(0));
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", der)));
}

test("a certificate is verified: its authority, its name, its time", async () => {
  using certificate = selfSigned(...NAMES);
  using other = selfSigned(...NAMES);
  await using world = openWorld(certificate);
  assert.equal(await world.echo(), "hello");
  assert.equal(await world.echo({ host: "server.test" }), "hello");
  const refused = (why: RegExp) => ({ kind: "auth", message: why });
  await assert.rejects(world.echo({ host: "other.test" }), refused(/hostname mismatch/i));
  await assert.rejects(world.echo({ host: "127.0.0.2" }), refused(/IP address mismatch/i));
  await assert.rejects(world.echo({ ca: "" }), refused(/self.signed certificate/));
  await assert.rejects(world.echo({ ca: other.cert }), refused(/self.signed|signature/));
  expire(other);
  await using late = openWorld(other);
  await assert.rejects(late.echo(), refused(/certificate has expired/));
});

test("a pin trusts one certificate, whoever signed it and whatever its name is", async () => {
  using certificate = selfSigned("DNS:elsewhere.test");
  await using world = openWorld(certificate);
  assert.equal(await world.echo({ pin: await digest(certificate) }), "hello");
  await assert.rejects(world.echo({ pin: "00".repeat(32) }), {
    kind: "auth",
    message: /not the one of \?pin=/,
  });
});

test("files that are no certificate or key are refused by name, and a password is not asked for", () => {
  using certificate = selfSigned(...NAMES);
  using other = selfSigned(...NAMES);
  using libssl = openLibssl();
  const refuses = (cert: string, key: string, message: RegExp) =>
    assert.throws(() => libssl.serverContext({ cert, key }), { kind: "usage", message });
  refuses("/nowhere/c.pem", certificate.key, /the certificate "\/nowhere\/c.pem": No such file/);
  refuses(
    certificate.key,
    certificate.key,
    /the certificate .*; are certificate and key exchanged/,
  );
  refuses(certificate.cert, certificate.cert, /the key .*; are certificate and key exchanged/);
  refuses(certificate.cert, "/nowhere/k.pem", /the key "\/nowhere\/k.pem"/);
  refuses(certificate.cert, other.key, /the key .*mismatch; it belongs to another/);
  const encrypted = `${certificate.key}.locked`;
  const args = ["pkey", "-in", certificate.key, "-aes256", "-passout", "pass:x", "-out", encrypted];
  assert(new Deno.Command("openssl", { args }).outputSync().success);
  refuses(certificate.cert, encrypted, /the key/);
  assert.throws(() => libssl.clientContext("/nowhere/ca.pem"), { kind: "usage" });
  assert.throws(() => libssl.clientContext(certificate.key), {
    kind: "usage",
    message: /the authorities' file .*; name a file of certificates in PEM format/,
  });
});

/** Runs openssl s_client, gives it a word, and returns what it printed. */
async function opensslClient({ at }: World, ...args: string[]): Promise<string> {
  const all = ["s_client", "-connect", `${at.host}:${at.port}`, "-quiet", "-no_ign_eof", ...args];
  const child = new Deno.Command("openssl", {
    args: all,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(utf8("word\n")).catch(() => {}); // refused already
  const { stdout, stderr } = await child.output();
  await input.close().catch(() => {});
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

test("other programs' TLS is understood: 1.3 and 1.2, and nothing older", async () => {
  using certificate = selfSigned(...NAMES);
  await using world = openWorld(certificate);
  const trust = ["-CAfile", certificate.cert, "-verify_return_error"];
  assert.match(await opensslClient(world, "-tls1_3", ...trust), /^word$/m);
  assert.match(await opensslClient(world, "-tls1_2", ...trust), /^word$/m);
  const old = await opensslClient(world, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0", ...trust);
  assert.doesNotMatch(old, /^word$/m);
  assert.match(old, /alert protocol version/);
});

test("a client is told of a server that speaks something else, and of one that says nothing", async () => {
  using certificate = selfSigned(...NAMES);
  await using world = openWorld(certificate);
  using libssl = openLibssl();
  using context = libssl.clientContext(certificate.cert);
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const at = { host: LOOPBACK, port: listener.addr.port };
  const open = (timeoutMs: number) => {
    const clock = { ...CLOCK };
    const o = { context, clock, host: LOOPBACK, pin: null };
    return dial(new TlsDialer(world.net, o), at, { signal: world.signal, timeoutMs });
  };
  const web = (async () => {
    using conn = await listener.accept();
    await conn.write(utf8("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await conn.read(new Uint8Array(1000));
  })();
  await assert.rejects(open(5000), { kind: "protocol", message: /speaks something else/ });
  await web;
  const silent = (async () => {
    using conn = await listener.accept();
    while (await conn.read(new Uint8Array(1000)) !== null);
  })();
  await assert.rejects(open(300), { kind: "timeout" });
  await silent;
});

const CLOCK = {
  now: () => performance.now(),
  after: (ms: number, run: () => void) => {
    const timer = setTimeout(run, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  onTurn: (run: () => void) => void setTimeout(run),
} as unknown as Clock;

test("strangers end no listener: garbage, silence, and more of them than there may be", async () => {
  using certificate = selfSigned(...NAMES);
  const clock = new FakeClock();
  await using world = openWorld(certificate, clock);
  const { host: hostname, port } = world.at;
  const conns = await Promise.all(
    Array.from({ length: 300 }, () => Deno.connect({ hostname, port })),
  );
  try {
    const garbage = conns.at(-1)!;
    await garbage.write(crypto.getRandomValues(new Uint8Array(600)));
    while (await garbage.read(new Uint8Array(100)).catch(() => null) !== null);
    const first = conns[0]!; // one more than 256 ended it
    assert.equal(await first.read(new Uint8Array(1)).catch(() => null), null);
    assert.equal(await world.echo(), "hello");
    await clock.advance(10_000);
    for (const conn of conns) {
      assert.equal(await conn.read(new Uint8Array(1)).catch(() => null), null);
    }
    assert.equal(await world.echo(), "hello");
    assert.match(world.lines().join("\n"), /TLS handshake failed Cannot use TLS with/);
    assert.equal(clock.pending, 0);
  } finally {
    for (const conn of conns) conn.close();
  }
});

/** Carries what one end has for the other. */
function pass(from: TlsSession, to: TlsSession): void {
  const bytes = new Uint8Array(65_536);
  for (let got; (got = from.take(bytes)) > 0;) to.give(bytes.slice(0, got));
}

test("a certificate that is made for a run is another one each time, and both ends see the same", () => {
  using libssl = openLibssl();
  using first = libssl.ownContext("tete");
  using second = libssl.ownContext("tete");
  assert.notDeepEqual(first.ownDigest, second.ownDigest);
  using trusting = libssl.clientContext(null);
  using server = first.begin(null);
  using client = trusting.begin(null);
  const isUp = [false, false];
  for (let turn = 0; turn < 5; turn++) {
    isUp[0] ||= client.handshake();
    pass(client, server);
    isUp[1] ||= server.handshake();
    pass(server, client);
  }
  assert.deepEqual(isUp, [true, true]);
  assert.deepEqual(client.peerDigest, first.ownDigest);
});
