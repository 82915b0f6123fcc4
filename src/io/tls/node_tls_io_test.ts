import { deepEqual, equal, rejects } from "node:assert/strict";
import { openLinuxSocketCalls } from "../../../ffi/sockets/posix_sockets.ts";
import { openLibssl } from "../../../ffi/openssl/libssl.ts";
import { test } from "../../../tests/check.ts";
import { readAll } from "../../../tests/suite/stream_net.ts";
import { pauseBy, TCP_TRAITS } from "../../../tests/suite/real_nets.ts";
import { type Certificate, selfSigned } from "../../../tests/suite/certificates.ts";
import type { StreamNet } from "../../../tests/suite/stream_net.ts";
import { eachCase, runCase } from "../../../tests/suite/stream_suite.ts";
import { accept, write } from "../../app/loop/stream_io.ts";
import { dial, promised } from "../../app/net/dial_events.ts";
import { requireHostPort } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import { Waiter } from "../net/lifetime.ts";
import { listenerClosed } from "../net/net_errors.ts";
import { polledPunch } from "../punch/polled_punch.ts";
import { DenoClock } from "../reactor/deno_clock.ts";
import { openNodeTls } from "./node_tls.ts";
import { openTls } from "./open_tls.ts";

const clock = new DenoClock();
const BINDING = Uint8Array.of(7);

type Own = { readonly cert: string; readonly key: string } | null;

function pemOf(certificate: Certificate): Own {
  const { cert, key } = certificate;
  return { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
}

function secure(
  stream: Connection,
  own: Own,
  signal: AbortSignal,
  judge: (certificate: Uint8Array | null) => Uint8Array = () => BINDING,
): Promise<Connection> {
  const late = () => new Error("late");
  return openNodeTls(stream, { clock, signal, own, timeoutMs: 20_000, late, judge });
}

/** Runs the handshake of each connection, which lives under the signal of who takes it. */
class SecureListener implements Listener {
  readonly #inner: Listener;
  readonly #own: Own;
  readonly #stop = new AbortController();
  readonly #ready: { stream: Connection; life: AbortController }[] = [];
  readonly #acceptor = new Waiter();
  readonly #registration: Disposable;
  readonly #running: Promise<void>;

  constructor(inner: Listener, own: Own, signal: AbortSignal) {
    this.#inner = inner;
    this.#own = own;
    this.#registration = onAbort(signal, (reason) => this.#end(reason));
    this.#running = this.#run().catch(() => {}); // until the end
  }

  get addr() {
    return this.#inner.addr;
  }

  async #run(): Promise<void> {
    for (;;) {
      const life = new AbortController();
      const { signal } = life;
      onAbort(this.#stop.signal, (reason) => life.abort(reason));
      const raw = await accept(this.#inner, { signal });
      secure(raw, this.#own, signal).then((stream) => {
        this.#ready.push({ stream, life });
        this.#acceptor.wake();
      }, () => {}); // the other end hears of it
    }
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    this.#stop.signal.throwIfAborted();
    signal.throwIfAborted();
    const next = this.#ready.shift();
    if (next === undefined) return null;
    onAbort(signal, (reason) => next.life.abort(reason));
    return next.stream;
  }

  onAcceptable(run: () => void): void {
    this.#acceptor.set(run);
  }

  #end(reason: unknown): void {
    this.#registration?.[Symbol.dispose]();
    this.#stop.abort(reason);
    this.#acceptor.wakeSoon();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(listenerClosed());
    await this.#inner[Symbol.asyncDispose]();
    await this.#running;
  }
}

/** A client and a server by node:tls, over polled sockets. */
function nodeNet(): StreamNet {
  const punch = polledPunch(openLinuxSocketCalls(), clock);
  using certificate = selfSigned("IP:127.0.0.1");
  const own = pemOf(certificate);
  const { dialer: inner } = punch.at({ host: "", port: 0 });
  const dialer: Dialer = {
    start(to, o, events) {
      dial(inner, to, o).then((raw) => secure(raw, null, o.signal)).then(
        (stream) => void events.connected(stream),
        (error) => void events.failed(error),
      );
    },
  };
  return {
    dialer,
    listen: (at, { signal }) => {
      const listener = punch.at(requireHostPort(at)).listen({ signal });
      return new SecureListener(listener, own, signal);
    },
    at: { host: "127.0.0.1", port: 0 },
    pause: pauseBy(clock),
    traits: { ...TCP_TRAITS, saysEnd: true },
    [Symbol.asyncDispose]: () => punch[Symbol.asyncDispose](),
  };
}

/** These are about the sockets below. */
const register = (name: string, run: () => Promise<void>) => {
  if (!/ a port that is taken is in use| a listener on all addresses/.test(name)) test(name, run);
};

eachCase("node:tls", { ...TCP_TRAITS, saysEnd: true }, register, async (one) => {
  await using net = nodeNet();
  await runCase(one, net);
});

for (const isClient of [true, false]) {
  const whose = isClient ? "server" : "client";
  test(`node:tls: OpenSSL is the ${whose}; the certificate is judged, and both ends are told`, async () => {
    const { signal } = new AbortController();
    const punch = polledPunch(openLinuxSocketCalls(), clock);
    await using _punch = punch;
    using certificate = selfSigned("DNS:tete");
    using libssl = openLibssl();
    using context = isClient ? libssl.serverContext(certificate) : libssl.clientContext(null);
    const listener = punch.at({ host: "127.0.0.1", port: 0 }).listen({ signal });
    const accepting = (async () => await accept(listener, { signal }))();
    const { dialer } = punch.at({ host: "", port: 0 });
    const here = await dial(dialer, listener.addr, { signal });
    const there = await accepting;
    const seen: (Uint8Array | null)[] = [];
    const judge = (der: Uint8Array | null) => {
      seen.push(der);
      return BINDING;
    };
    const how = {
      clock,
      signal,
      timeoutMs: 20_000,
      late: () => new Error("late"),
      judge: () => {},
    };
    const [node, openssl] = await Promise.all([
      secure(here, isClient ? null : pemOf(certificate), signal, judge),
      promised((events) => openTls(there, () => context.begin(null), how, events)),
    ]);
    equal(seen.length, 1);
    equal(seen[0] === null, !isClient);
    deepEqual(node.binding, BINDING);
    await write(node, utf8("from node"));
    await node.closeWrite();
    deepEqual(await readAll(openssl), utf8("from node"));
    await write(openssl, utf8("and back"));
    await openssl.closeWrite();
    deepEqual(await readAll(node), utf8("and back"));
    await node[Symbol.asyncDispose]();
    await openssl[Symbol.asyncDispose]();
  });
}

test("node:tls: what is no TLS, a refusal and silence end it with words", async () => {
  const { signal } = new AbortController();
  const punch = polledPunch(openLinuxSocketCalls(), clock);
  await using _punch = punch;
  const listener = punch.at({ host: "127.0.0.1", port: 0 }).listen({ signal });
  const { dialer } = punch.at({ host: "", port: 0 });
  const pair = async () => {
    const accepting = (async () => await accept(listener, { signal }))();
    return [await dial(dialer, listener.addr, { signal }), await accepting] as const;
  };
  {
    const [here, there] = await pair();
    await write(there, utf8("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await rejects(secure(here, null, signal), { kind: "protocol" });
    await there[Symbol.asyncDispose]();
  }
  {
    using certificate = selfSigned("DNS:tete");
    const [here, there] = await pair();
    const server = secure(there, pemOf(certificate), signal);
    const refusal = new Error("not this one");
    const client = secure(here, null, signal, () => {
      throw refusal;
    });
    await rejects(client, (error) => error === refusal);
    await (await server.catch(() => null))?.[Symbol.asyncDispose](); // it may have been quicker
  }
  {
    const [here, there] = await pair();
    const late = () => new Error("late");
    const judge = () => BINDING;
    const o = { clock, signal, own: null, timeoutMs: 50, late, judge };
    await rejects(openNodeTls(here, o), /late/);
    await there[Symbol.asyncDispose]();
  }
});
