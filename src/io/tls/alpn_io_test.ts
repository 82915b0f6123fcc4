import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { type Libssl, openLibssl } from "../../../ffi/openssl/libssl.ts";
import { test } from "../../../tests/check.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { settleCallbacks } from "../../../tests/settle_callbacks.ts";
import { type Certificate, selfSigned } from "../../../tests/suite/certificates.ts";
import { posixNet } from "../../../tests/suite/real_nets.ts";
import { readAll } from "../../../tests/suite/stream_net.ts";
import { dial } from "../../app/net/dial_events.ts";
import { accept, read, write } from "../../app/loop/stream_io.ts";
import type { HostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Connection } from "../../contract/connection.ts";
import { DenoClock } from "../reactor/deno_clock.ts";
import { TlsDialer } from "./tls_dialer.ts";
import { TlsListener } from "./tls_listener.ts";

settleCallbacks();

const LOOPBACK = "127.0.0.1";
const clock = new DenoClock();
const libc = openLibc();

interface World extends AsyncDisposable {
  readonly certificate: Certificate;
  readonly libssl: Libssl;
  /** Listens with these names, and echoes what comes first. */
  serve(alpn: readonly string[]): HostPort;
  /** Connects with these names, says a word, and resolves with the answer. */
  ask(at: HostPort, alpn: readonly string[]): Promise<string>;
  /** Returns the log's lines since the last call, sorted. */
  lines(): string[];
}

function openWorld(): World {
  const stack = new AsyncDisposableStack();
  const certificate = stack.use(selfSigned(`IP:${LOOPBACK}`));
  const libssl = stack.use(openLibssl());
  const net = stack.use(posixNet(libc, "async"));
  const stop = new AbortController();
  const { signal } = stop;
  const { log, records } = keptLog(clock);
  return {
    certificate,
    libssl,
    serve: (alpn) => {
      const context = stack.use(libssl.serverContext(certificate, alpn));
      const inner = net.listen({ host: LOOPBACK, port: 0 }, { signal });
      const listener = stack.use(new TlsListener(inner, { context, clock, log }));
      const serving = (async () => {
        for (;;) {
          const stream = await accept(listener, { signal });
          await echo(stream).catch(() => {}); // a client that is gone
        }
      })().catch(() => {}); // until the end
      stack.defer(() => serving);
      return listener.addr as HostPort;
    },
    ask: async (at, alpn) => {
      using context = libssl.clientContext(certificate.cert, alpn);
      const dialer = new TlsDialer(net.dialer, { context, clock, host: LOOPBACK, pin: null, log });
      await using stream = await dial(dialer, at, { signal, timeoutMs: 10_000 });
      await write(stream, utf8("hello\n"));
      await stream.closeWrite();
      return new TextDecoder().decode(await readAll(stream));
    },
    lines: () =>
      records.splice(0).map(({ message, fields }) => `${message} ${fields.why ?? fields.alpn}`)
        .sort(),
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await stack.disposeAsync();
    },
  };
}

/** Owns the stream. */
async function echo(stream: Connection): Promise<void> {
  await using _stream = stream;
  const into = new Uint8Array(100);
  const got = await read(stream, into);
  if (got !== null) await write(stream, into.subarray(0, got));
}

const NOTHING_IN_COMMON =
  /Cannot use TLS with 127\.0\.0\.1:\d+: the two ends have no protocol in common; \?alpn= of both/;

test("both ends agree on the server's best protocol that the client offers too", async () => {
  await using world = openWorld();
  const rows: [server: string[], client: string[], said: string[]][] = [
    [["ttun", "h2"], ["http/1.1", "h2", "ttun"], ["TLS protocol ttun", "TLS protocol ttun"]],
    [["ttun", "h2"], ["h2"], ["TLS protocol h2", "TLS protocol h2"]],
    [["x".repeat(255)], ["y", "x".repeat(255)], Array(2).fill(`TLS protocol ${"x".repeat(255)}`)],
    [["ttun"], [], ["TLS protocol none"]],
    [[], ["ttun"], ["TLS protocol none"]],
    [[], [], []],
  ];
  for (const [server, client, said] of rows) {
    assert.equal(await world.ask(world.serve(server), client), "hello\n");
    assert.deepEqual(world.lines(), said);
  }
});

test("no protocol in common: both ends say so, and the next client is served", async () => {
  await using world = openWorld();
  const at = world.serve(["ttun"]);
  const refused = { kind: "protocol", message: NOTHING_IN_COMMON };
  await assert.rejects(world.ask(at, ["h2", "ttu", "ttunn"]), refused);
  const [line, ...more] = world.lines();
  assert.match(line!, /^TLS handshake failed /);
  assert.match(line!, NOTHING_IN_COMMON);
  assert.deepEqual(more, []);
  assert.equal(await world.ask(at, ["ttun"]), "hello\n");
});

/** Runs openssl s_client with nothing to say, and returns what it printed. */
async function opensslClient({ certificate }: World, at: HostPort, ...args: string[]) {
  const { stdout, stderr } = await new Deno.Command("openssl", {
    args: ["s_client", "-connect", `${at.host}:${at.port}`, "-CAfile", certificate.cert, ...args],
    stdin: "null",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

test("openssl s_client agrees with a server of ours, by TLS 1.3 and 1.2", async () => {
  await using world = openWorld();
  const at = world.serve(["ttun", "h2"]);
  for (const version of ["-tls1_3", "-tls1_2"]) {
    const client = (...args: string[]) => opensslClient(world, at, version, ...args);
    assert.match(await client("-alpn", "http/1.1,h2"), /^ALPN protocol: h2$/m);
    assert.match(await client("-alpn", "h2,ttun"), /^ALPN protocol: ttun$/m);
    assert.match(await client(), /^No ALPN negotiated$/m);
    assert.match(await client("-alpn", "http/1.1"), /alert no application protocol/);
    assert.match(world.lines().join("\n"), NOTHING_IN_COMMON);
  }
});

/** Runs openssl s_server, which answers each line with the same in reverse. */
async function opensslServer({ cert, key }: Certificate, ...args: string[]) {
  const files = ["-cert", cert, "-key", key, "-accept", `${LOOPBACK}:0`, "-rev"];
  const child = new Deno.Command("openssl", {
    args: ["s_server", ...files, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let port: number | null = null;
  while (port === null) {
    const { done, value } = await output.read();
    assert(!done, `openssl s_server: ${text}`);
    text += value;
    const [, digits] = /ACCEPT [\d.]+:(\d+)\n/.exec(text) ?? [];
    if (digits !== undefined) port = Number(digits);
  }
  return {
    at: { host: LOOPBACK, port },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await output.cancel();
      await child.status;
    },
  };
}

test("a client of ours agrees with openssl s_server, by TLS 1.3 and 1.2", async () => {
  await using world = openWorld();
  for (const version of ["-tls1_3", "-tls1_2"]) {
    await using chooses = await opensslServer(world.certificate, version, "-alpn", "ttun,h2");
    const rows: [string[], string[]][] = [
      [["http/1.1", "h2"], ["TLS protocol h2"]],
      [["h2", "ttun"], ["TLS protocol ttun"]],
      [[], []],
    ];
    for (const [names, said] of rows) {
      assert.equal(await world.ask(chooses.at, names), "olleh\n");
      assert.deepEqual(world.lines(), said);
    }
    const refused = { kind: "protocol", message: NOTHING_IN_COMMON };
    await assert.rejects(world.ask(chooses.at, ["http/1.1"]), refused);
    await using ignores = await opensslServer(world.certificate, version);
    assert.equal(await world.ask(ignores.at, ["ttun"]), "olleh\n");
    assert.deepEqual(world.lines(), ["TLS protocol none"]);
  }
});
