import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import { test } from "../../../tests/check.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { settleCallbacks } from "../../../tests/settle_callbacks.ts";
import { selfSigned } from "../../../tests/suite/certificates.ts";
import { posixNet } from "../../../tests/suite/real_nets.ts";
import { accept, read, write } from "../../app/loop/stream_io.ts";
import type { HostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { MAX_CLIENT_HELLO, readClientHello } from "../../core/gateway/client_hello.ts";
import { TICKET_KEY_MS, ticketKeys } from "../../core/gateway/ticket_keys.ts";
import { DenoClock } from "../reactor/deno_clock.ts";
import { NamedAcceptor } from "./named_acceptor.ts";
import { type KeyPair, NamedContexts } from "./named_contexts.ts";

settleCallbacks();

const SECRET = new Uint8Array(32).fill(7);
const HOST = "127.0.0.1";
const clock = new DenoClock();
const libc = openLibc();

/** A certificate for a name, as files and as text. */
function certificate(stack: AsyncDisposableStack, name: string) {
  const files = stack.use(selfSigned(`DNS:${name}`));
  const pair: KeyPair = {
    certificates: [Deno.readTextFileSync(files.cert)],
    key: Deno.readTextFileSync(files.key),
  };
  return { files, pair };
}

/** Serves names, echoing what comes first with the name and the protocol before it. */
function openWorld(keyName = (name: string) => name) {
  const at = { time: 0 };
  const stack = new AsyncDisposableStack();
  const libssl = stack.use(openLibssl());
  const pairs = new Map<string, KeyPair>();
  const contexts = stack.use(
    new NamedContexts({
      libssl,
      protocols: ["ttun", "http/1.1"],
      ticketKeys: (name, ticket) => ticketKeys(SECRET, keyName(name), ticket, at.time),
      sessionContext: (name) => utf8(name),
    }),
  );
  const net = stack.use(posixNet(libc, "async"));
  const { log, records } = keptLog(clock);
  const stop = new AbortController();
  let wait: Promise<void> = Promise.resolve();
  const acceptor = new NamedAcceptor({
    readHello: readClientHello,
    mostHello: MAX_CLIENT_HELLO,
    choose: async ({ name, ticket }) => {
      await wait;
      const pair = pairs.get(name ?? "");
      return pair === undefined ? null : contexts.get(name!, pair, ticket);
    },
    clock,
    log,
  });
  const { signal } = stop;
  const listener = stack.use(net.listen({ host: HOST, port: 0 }, { signal }));
  const serve = async () => {
    for (;;) {
      const inner = await accept(listener, { signal });
      answer(acceptor.accept(inner, signal)).catch(() => {}); // a client that is gone
    }
  };
  const serving = serve().catch(() => {}); // until the end
  stack.defer(() => serving);
  return {
    stack,
    at: listener.addr as HostPort,
    pairs,
    periods: (count: number) => void (at.time = count * TICKET_KEY_MS),
    contexts,
    acceptor,
    records,
    hold: (until: Promise<void>) => void (wait = until),
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await stack.disposeAsync();
    },
  };
}

async function answer(arriving: ReturnType<NamedAcceptor["accept"]>) {
  const arrival = await arriving;
  if (arrival === null) return;
  await using stream = arrival.stream;
  const into = new Uint8Array(100);
  const got = await read(stream, into);
  if (got === null) return;
  const text = `${arrival.name} ${arrival.protocol} ${
    new TextDecoder().decode(into.slice(0, got))
  }`;
  await write(stream, utf8(text));
}

type World = ReturnType<typeof openWorld>;

async function client({ at }: World, name: string, ca: string, o: {
  alpn?: string;
  session?: { in?: string; out?: string };
  more?: readonly string[];
} = {}): Promise<string> {
  const { alpn, session = {}, more = [] } = o;
  const args = [
    ...["s_client", "-connect", `${at.host}:${at.port}`, "-CAfile", ca, "-servername", name],
    ...["-verify_return_error", "-verify_hostname", name],
    ...more,
    ...(alpn === undefined ? [] : ["-alpn", alpn]),
    ...(session.in === undefined ? [] : ["-sess_in", session.in]),
    ...(session.out === undefined ? [] : ["-sess_out", session.out]),
  ];
  const child = new Deno.Command("openssl", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(utf8("hello")).catch(() => {}); // it may have ended
  const { stdout, stderr } = await child.output();
  await writer.close().catch(() => {}); // it has ended
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

test("each name has its certificate, which may change while it runs", async () => {
  await using world = openWorld();
  const a = certificate(world.stack, "a.test");
  const b = certificate(world.stack, "b.test");
  world.pairs.set("a.test", a.pair).set("b.test", b.pair);
  assert.match(await client(world, "a.test", a.files.cert), /a\.test null hello/);
  assert.match(
    await client(world, "b.test", b.files.cert, { alpn: "h2,http/1.1" }),
    /b\.test http\/1\.1 hello/,
  );
  assert.match(await client(world, "b.test", b.files.cert), /b\.test null hello/);
  assert.equal(world.contexts.made, 2);
  const other = certificate(world.stack, "a.test");
  world.pairs.set("a.test", other.pair);
  assert.match(await client(world, "a.test", a.files.cert), /Verification error|verify error/);
  assert.match(await client(world, "a.test", other.files.cert), /a\.test null hello/);
  assert.match(await client(world, "c.test", a.files.cert), /unrecognized name/);
});

test("a name whose certificate is not there yet waits for it", async () => {
  await using world = openWorld();
  const a = certificate(world.stack, "a.test");
  const { promise, resolve } = Promise.withResolvers<void>();
  world.hold(promise);
  const asked = client(world, "a.test", a.files.cert);
  while (world.acceptor.pending === 0) await new Promise((next) => setTimeout(next, 5));
  world.pairs.set("a.test", a.pair);
  resolve();
  assert.match(await asked, /a\.test null hello/);
});

test("a ticket resumes under its own name, and under no other", async () => {
  await resumesUnderItsName((name) => name);
  await resumesUnderItsName(() => "the same keys for all"); // it is not the keys alone
});

async function resumesUnderItsName(keyName: (name: string) => string): Promise<void> {
  await using world = openWorld(keyName);
  const one = certificate(world.stack, "*.a.test");
  world.pairs.set("x.a.test", one.pair).set("yy.a.test", one.pair);
  const ticket = `${one.files.cert}.session`;
  const first = await client(world, "x.a.test", one.files.cert, { session: { out: ticket } });
  assert.match(first, /x\.a\.test null hello/);
  const again = await client(world, "x.a.test", one.files.cert, { session: { in: ticket } });
  assert.match(again, /^Reused, TLSv1\.3/m);
  const other = await client(world, "yy.a.test", one.files.cert, { session: { in: ticket } });
  assert.match(other, /^New, TLSv1\.3/m);
}

test("a ticket resumes at another node too, and not when its keys are old", async () => {
  await using stack = new AsyncDisposableStack();
  const [here, there] = [stack.use(openWorld()), stack.use(openWorld())];
  const one = certificate(stack, "a.test");
  for (const { pairs } of [here, there]) pairs.set("a.test", one.pair);
  const ask = (world: World, session: { in?: string; out?: string }, more: string[] = []) =>
    client(world, "a.test", one.files.cert, { session, more });
  const ticket = `${one.files.cert}.session`;
  await ask(here, { out: ticket });
  assert.match(await ask(there, { in: ticket }), /^Reused, TLSv1\.3/m);
  there.periods(1);
  assert.match(await ask(there, { in: ticket }), /^Reused, TLSv1\.3/m);
  assert.match(await ask(there, {}), /^New, TLSv1\.3/m);
  there.periods(2);
  assert.match(await ask(there, { in: ticket }), /^New, TLSv1\.3/m);
  // The keys of a ticket of TLS 1.2 would open all that was said, so there are none.
  const old = `${one.files.cert}.old`;
  assert.match(await ask(here, { out: old }, ["-tls1_2"]), /a\.test null hello/);
  assert.match(await ask(here, { in: old }, ["-tls1_2"]), /^New, TLSv1\.2|Can't open session/m);
});

test("a hello in pieces, other protocols, silence and an end are handled", async () => {
  await using world = openWorld();
  const say = async (...parts: Uint8Array[]) => {
    using conn = await Deno.connect({ hostname: world.at.host, port: world.at.port });
    for (const part of parts) await conn.write(part.slice());
    const into = new Uint8Array(100);
    const got = await conn.read(into).catch(() => null);
    return got === null ? null : [...into.subarray(0, got)];
  };
  assert.deepEqual(await say(utf8("GET / HTTP/1.1\r\n\r\n")), [21, 3, 3, 0, 2, 2, 50]);
  assert.deepEqual(
    await say(
      ...Array.from(Uint8Array.of(22, 3, 1, 0, 1), (byte) => Uint8Array.of(byte)),
      utf8("x"),
    ),
    [21, 3, 3, 0, 2, 2, 50],
  );
  using silent = await Deno.connect({ hostname: world.at.host, port: world.at.port });
  while (world.acceptor.pending === 0) await new Promise((next) => setTimeout(next, 5));
  assert.equal(world.acceptor.endOldest(), true);
  assert.equal(await silent.read(new Uint8Array(1)).catch(() => null), null);
  assert.equal(world.acceptor.pending, 0);
});
