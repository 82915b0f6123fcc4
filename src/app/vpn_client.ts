import { formatAddr, type HostPort } from "../base/addr.ts";
import { toTtunError, TtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { scope } from "../base/scope.ts";
import type { Clock, Resolver, Rng } from "../contract/host.ts";
import type { Dialer, Stream } from "../contract/stream.ts";
import { Backoff } from "../core/backoff.ts";
import {
  ClientHandshake,
  type HandshakeKeys,
  HELLO_SIZE,
  type Session,
} from "../core/v1/handshake.ts";
import { dialAny } from "./dial_any.ts";
import type { TunPump } from "./tun_pump.ts";
import { Tuner } from "./tuning.ts";
import { V1Link } from "./v1_link.ts";
import { HANDSHAKE_DEADLINE, sessionFacts } from "./vpn_server.ts";
import { sleep } from "./wait.ts";

const DIAL_TIMEOUT = 10_000;

/** A server that has another client keeps a newcomer waiting; one that rejects a key does not. */
const QUICK_CLOSE = 2_000;

export interface VpnClientOptions {
  server: HostPort;
  dialer: Dialer;
  resolver: Resolver;
  pump: TunPump;
  keys: Omit<HandshakeKeys, "nonce">;
  rng: Rng;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  /** How many attempts may follow a failed one, in a row; Infinity = for ever. */
  retries: number;
}

/**
 * Keeps a session with the server: tries again after every failure, for as long as it may.
 * @throws the last failure when the retries are used up, or what ends the device
 */
export async function runVpnClient(o: VpnClientOptions): Promise<void> {
  await scope(o.signal, (tasks) => {
    tasks.spawn((signal) => o.pump.run(signal));
    tasks.spawn(() => new VpnClient({ ...o, signal: tasks.signal }).run());
  });
}

class VpnClient {
  readonly #o: VpnClientOptions;
  readonly #tuner: Tuner;
  readonly #backoff = new Backoff();

  constructor(o: VpnClientOptions) {
    this.#o = o;
    this.#tuner = new Tuner(o.log);
  }

  async run(): Promise<never> {
    const { clock, log, rng, signal } = this.#o;
    for (let failures = 0;;) {
      const { error, wasUp } = await this.#attempt();
      signal.throwIfAborted();
      failures = wasUp ? 1 : failures + 1;
      if (failures > this.#o.retries) throw error;
      const pause = this.#backoff.pause(rng(1)[0]! / 256);
      log.warn(error.message, { retry_in_seconds: Math.round(pause / 100) / 10 });
      await sleep(clock, pause, signal);
    }
  }

  /** One connection from dial to its end; what ended it. */
  async #attempt(): Promise<{ error: TtunError; wasUp: boolean }> {
    const { clock, log, pump, server } = this.#o;
    let since = null as number | null;
    const before = { ...pump.counters };
    try {
      log.debug("connecting", { server: formatAddr(server) });
      // A scope for each session: what hangs on its signal goes with it.
      await scope(this.#o.signal, async ({ signal }) => {
        await using stream = await dialAny({
          ...this.#o,
          to: server,
          timeoutMs: DIAL_TIMEOUT,
          signal,
        });
        this.#tuner.tune(stream);
        await using link = new V1Link(stream, await this.#authenticate(stream));
        since = clock.now();
        const { protocol } = stream.info();
        log.info("authenticated", { server: formatAddr(stream.remote), protocol });
        await pump.session(link);
      });
      const words = `Lost the connection with ${formatAddr(server)}: the server closed it`;
      return { error: new TtunError("lost", words), wasUp: true };
    } catch (thrown) {
      return { error: toTtunError(thrown), wasUp: since !== null };
    } finally {
      if (since !== null) {
        this.#backoff.sessionEnded(clock.now() - since);
        log.info("disconnected", sessionFacts(clock, since, pump, before));
      }
    }
  }

  async #authenticate(stream: Stream): Promise<Session> {
    const { clock, keys, rng } = this.#o;
    const began = clock.now();
    let late = false;
    using _deadline = clock.after(HANDSHAKE_DEADLINE, () => {
      late = true;
      stream.reset();
    });
    using handshake = new ClientHandshake({ ...keys, nonce: rng(HELLO_SIZE) });
    const buffer = new Uint8Array(4096);
    let proved: number | null = null;
    try {
      await stream.write(handshake.hello());
      for (;;) {
        const got = await stream.read(buffer);
        if (got === null) throw new TtunError("lost", "The server closed the connection");
        for (const step of handshake.feed(buffer.subarray(0, got))) {
          if (step.kind === "done") return step.session;
          if (step.kind === "send") await stream.write(step.bytes);
          proved = clock.now();
        }
      }
    } catch (thrown) {
      if (late) throw this.#silent();
      const error = toTtunError(thrown);
      if (error.kind !== "lost") throw error;
      throw this.#closedEarly(
        proved === null ? null : clock.now() - proved,
        clock.now() - began,
        error,
      );
    }
  }

  #silent(): TtunError {
    const to = formatAddr(this.#o.server);
    return new TtunError(
      "timeout",
      `Cannot authenticate with ${to}: no answer within ${HANDSHAKE_DEADLINE / 1000} s; ` +
        "is it a ttun server, and is no other client connected to it?",
    );
  }

  /** Version 1 has no words for a refusal: when the connection was closed tells which one it was. */
  #closedEarly(afterProof: number | null, afterStart: number, cause: TtunError): TtunError {
    const to = formatAddr(this.#o.server);
    if (afterProof === null) {
      return new TtunError(
        "protocol",
        `Cannot authenticate with ${to}: it closed the connection after ${
          (afterStart / 1000).toFixed(1)
        } s ` +
          "without an answer; is it a ttun server?",
        { cause },
      );
    }
    if (afterProof < QUICK_CLOSE) {
      return new TtunError(
        "auth",
        `Cannot authenticate with ${to}: it refused; wrong key or cipher: both ends need the same -k and -m`,
        { cause },
      );
    }
    return new TtunError("busy", `Cannot use ${to}: it serves another client; end that one first`, {
      cause,
    });
  }
}
