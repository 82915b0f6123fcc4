import assert from "node:assert/strict";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import type { TlsContext } from "../../../ffi/openssl/tls_context.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { test } from "../../../tests/check.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { selfSigned } from "../../../tests/suite/certificates.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import { TlsDialer } from "./tls_dialer.ts";
import { TlsListener } from "./tls_listener.ts";
import { TlsPipe } from "./tls_pipe.ts";
import { TlsStream } from "./tls_stream.ts";

const AT = { host: "127.0.0.1", port: 1 };

test("a peer whose records carry no text has only so many of them read", () => {
  let pulled = 0;
  const inner = {
    peer: "peer",
    readNow: (into: Uint8Array) => {
      if (++pulled > 100) throw new Error("it goes on and on");
      return into.length;
    },
    writeNow: (bytes: Uint8Array) => bytes.length,
  } as unknown as Connection;
  const session = {
    read: () => undefined, // new keys, and more of them
    give: () => {},
    take: () => 0,
  } as unknown as TlsSession;
  const { signal } = new AbortController();
  const stream = new TlsStream(new TlsPipe(inner, session), { signal, clock: new FakeClock() });
  assert.throws(() => stream.readNow(new Uint8Array(10)), { kind: "protocol" });
  assert(pulled < 10, `${pulled} reads`);
});

test("text that comes byte by byte is no flood", () => {
  let given = 0;
  const inner = {
    peer: "peer",
    readNow: () => 1,
    writeNow: (bytes: Uint8Array) => bytes.length,
  } as unknown as Connection;
  const session = {
    read: () => {
      if (given === 0 || given % 16_406 !== 0) return undefined;
      given++;
      return 16_384;
    },
    give: () => void given++,
    take: () => 0,
  } as unknown as TlsSession;
  const { signal } = new AbortController();
  const stream = new TlsStream(new TlsPipe(inner, session), { signal, clock: new FakeClock() });
  for (let record = 1; record < 10; record++) {
    assert.equal(stream.readNow(new Uint8Array(20_000)), 16_384);
  }
});

test("a dial that is given up at the moment it connects fails, and closes the connection", () => {
  using libssl = openLibssl();
  using context = libssl.clientContext(null);
  const cancel = new AbortController();
  const [near, far] = memoryPair();
  const o = { context, clock: new FakeClock(), host: "a.test", pin: new Uint8Array(32) };
  const late = new TlsDialer({
    start: (_to, _o, events) => {
      cancel.abort(new Error("another was faster"));
      return events.connected(near);
    },
  }, o);
  const failures: unknown[] = [];
  late.start(AT, { signal: new AbortController().signal, cancel: cancel.signal }, {
    connected: () => assert.fail("it was given up"),
    failed: (error) => void failures.push(error),
  });
  assert.deepEqual(failures, [cancel.signal.reason]);
  assert.equal(o.clock.pending, 0);
  assert.throws(() => near.readNow(new Uint8Array(1)));
  far.reset();
});

test("a name that no certificate has is a failure of the dial", () => {
  using libssl = openLibssl();
  using context = libssl.clientContext(null);
  const [near, far] = memoryPair();
  const o = { context, clock: new FakeClock(), host: "", pin: null };
  const dialer = new TlsDialer({ start: (_to, _o, events) => events.connected(near) }, o);
  const failures: TtunError[] = [];
  dialer.start(AT, { signal: new AbortController().signal }, {
    connected: () => assert.fail("it verifies nothing"),
    failed: (error) => void failures.push(error as TtunError),
  });
  assert.deepEqual(failures.map(({ kind }) => kind), ["usage"]);
  far.reset();
});

test("the zone of an address is not looked for in the certificate", () => {
  const begun: unknown[] = [];
  const context = {
    begin: (name: unknown) => {
      begun.push(name);
      throw new TtunError("usage", "enough");
    },
  } as unknown as TlsContext;
  for (const host of ["fe80::1%eth0", "odd%name.test"]) {
    const o = { context, clock: new FakeClock(), host, pin: null };
    const [near] = memoryPair();
    const dialer = new TlsDialer({ start: (_to, _o, events) => events.connected(near) }, o);
    const { signal } = new AbortController();
    dialer.start(AT, { signal }, { connected: () => {}, failed: () => {} });
  }
  assert.deepEqual(begun, [
    { host: "fe80::1", isIp: true },
    { host: "odd%name.test", isIp: false },
  ]);
});

/** A listener on a machine that has so many descriptors, to which so many clients come. */
class Exhausted implements Listener {
  readonly addr = AT;
  readonly clients: Connection[] = [];
  #isOver = false;

  constructor(readonly descriptors: number, private waiting: number) {}

  /** Those whose server's end lives. */
  get open(): number {
    return this.clients.filter((client) => {
      try {
        return client.readNow(new Uint8Array(1)) === undefined;
      } catch {
        return false; // it was reset
      }
    }).length;
  }

  acceptNow(): Connection | null {
    if (this.#isOver) throw new TtunError("lost", "closed");
    if (this.waiting === 0) return null;
    if (this.open >= this.descriptors) throw new TtunError("exhausted", "out of descriptors");
    this.waiting--;
    const [near, far] = memoryPair();
    this.clients.push(far);
    return near;
  }

  onAcceptable(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.resolve();
  }
}

test("handshakes that stall give their descriptors to those who come later", async () => {
  using certificate = selfSigned("DNS:a.test");
  using libssl = openLibssl();
  using context = libssl.serverContext(certificate);
  const clock = new FakeClock();
  const inner = new Exhausted(5, 20);
  await using listener = new TlsListener(inner, { context, clock, log: keptLog(clock).log });
  const { signal } = new AbortController();
  assert.equal(listener.acceptNow({ signal }), null);
  await clock.settle();
  assert.equal(inner.clients.length, 20);
  assert.equal(inner.open, 5);
});

test("of many clients that come at once few have their handshakes before other work goes on", async () => {
  using certificate = selfSigned("DNS:a.test");
  using libssl = openLibssl();
  using context = libssl.serverContext(certificate);
  const clock = new FakeClock();
  const inner = new Exhausted(100, 20);
  await using _listener = new TlsListener(inner, { context, clock, log: keptLog(clock).log });
  assert.equal(inner.clients.length, 2);
  await clock.settle();
  assert.equal(inner.clients.length, 20);
});

test("without a descriptor and without a handshake the accept says so, and goes on later", async () => {
  using certificate = selfSigned("DNS:a.test");
  using libssl = openLibssl();
  using context = libssl.serverContext(certificate);
  const clock = new FakeClock();
  await using listener = new TlsListener(new Exhausted(0, 1), {
    context,
    clock,
    log: keptLog(clock).log,
  });
  const { signal } = new AbortController();
  assert.throws(() => listener.acceptNow({ signal }), { kind: "exhausted" });
  assert.throws(() => listener.acceptNow({ signal }), { kind: "exhausted" });
});

test("the server resumes no session of TLS 1.2, and gives no ticket", async () => {
  using certificate = selfSigned("IP:127.0.0.1");
  using libssl = openLibssl();
  using context = libssl.serverContext(certificate);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async () => {
    using conn = await listener.accept();
    using session = context.begin(null);
    const bytes = new Uint8Array(64 * 1024);
    for (let isDone = false; !isDone;) {
      isDone = session.handshake();
      const size = session.take(bytes);
      if (size > 0) await conn.write(bytes.subarray(0, size));
      if (isDone) return;
      session.give(bytes.subarray(0, (await conn.read(bytes))!));
    }
  };
  const file = `${certificate.cert}.session`;
  const resume = async (...more: string[]) => {
    const serving = serve();
    const at = ["-connect", `127.0.0.1:${listener.addr.port}`];
    const args = ["s_client", ...at, "-tls1_2", "-sess_out", file, ...more];
    const { stdout } = await new Deno.Command("openssl", {
      args,
      stdin: "null",
      stderr: "null",
    }).output();
    await serving;
    assert.match(new TextDecoder().decode(stdout), /^New, TLSv1\.2/m);
    assert.throws(() => Deno.statSync(file), Deno.errors.NotFound); // there is nothing to resume
  };
  await resume();
  await resume("-no_ticket");
});
