import { formatAddr } from "../base/addr.ts";
import { toTtunError, TtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { scope } from "../base/scope.ts";
import type { Clock, Rng } from "../contract/host.ts";
import type { Listener, Stream } from "../contract/stream.ts";
import { type HandshakeKeys, HELLO_SIZE, ServerHandshake } from "../core/v1/handshake.ts";
import { acceptLoop } from "./accept_loop.ts";
import { Pending, type PendingLimits } from "./pending.ts";
import { Place, type Tenant } from "./place.ts";
import { V1Life } from "./probe.ts";
import { QuietLog } from "./quiet_log.ts";
import type { TunPump } from "./tun_pump.ts";
import { Tuner } from "./tuning.ts";
import { V1Link } from "./v1_link.ts";

/** The whole handshake of a connection, in milliseconds (docs/ttun-v1.md, "Conversation"). */
export const HANDSHAKE_DEADLINE = 10_000;

/** A first read takes the hello and the proof at once; more than that waits in the socket. */
const HANDSHAKE_BUFFER = 64;

export interface VpnServerOptions {
  listener: Listener;
  pump: TunPump;
  keys: Omit<HandshakeKeys, "nonce">;
  rng: Rng;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  limits?: PendingLimits;
}

/**
 * Serves one authenticated peer at a time until the signal aborts. Handshakes run beside each
 * other; only the place in the tunnel is exclusive.
 * @throws what ends the listener or the device
 */
export async function serveVpn(o: VpnServerOptions): Promise<void> {
  await scope(o.signal, (tasks) => {
    const server = new VpnServer({ ...o, signal: tasks.signal });
    tasks.spawn((signal) => o.pump.run(signal));
    tasks.spawn(() =>
      acceptLoop({
        ...o,
        signal: tasks.signal,
        take: (stream) => tasks.spawn(() => server.serve(stream)),
        makeRoom: () => server.pending.dropOldest(),
      })
    );
  });
}

class VpnServer {
  readonly pending: Pending;
  readonly #o: VpnServerOptions;
  readonly #place: Place;
  readonly #rejected: QuietLog;
  readonly #tuner: Tuner;

  constructor(o: VpnServerOptions) {
    this.#o = o;
    this.pending = new Pending(o.limits);
    this.#place = new Place(o.clock);
    this.#rejected = new QuietLog(o.log, () => o.clock.now());
    this.#tuner = new Tuner(o.log);
  }

  /** One connection from accept to close. Never throws: what it meets is its own end only. */
  async serve(stream: Stream): Promise<void> {
    await using owned = stream;
    const peer = formatAddr(owned.remote);
    const { log } = this.#o;
    log.debug("connection", { peer });
    try {
      using handshake = new ServerHandshake({ ...this.#o.keys, nonce: this.#o.rng(HELLO_SIZE) });
      await this.#authenticate(owned, handshake);
      await this.#admit(owned, handshake, peer);
    } catch (thrown) {
      if (this.#o.signal.aborted) return;
      const error = toTtunError(thrown);
      this.#rejected.warn("handshake rejected", { peer, why: error.message });
      if (error.kind === "internal") log.error(error.message, { peer });
    }
  }

  /** Returns when the client has proved the key. */
  async #authenticate(stream: Stream, handshake: ServerHandshake): Promise<void> {
    let dropped: TtunError | null = null;
    const drop = (why: TtunError) => {
      dropped ??= why;
      stream.reset(); // frees everything at once, here and in the kernel
    };
    using _pending = this.pending.add(stream.remote, () => drop(pushedOut()));
    using _deadline = this.#o.clock.after(HANDSHAKE_DEADLINE, () => drop(tooSlow()));
    const buffer = new Uint8Array(HANDSHAKE_BUFFER);
    try {
      for (;;) {
        const got = await stream.read(buffer);
        if (got === null) {
          throw new TtunError("lost", "The connection ended before the handshake did");
        }
        for (const step of handshake.feed(buffer.subarray(0, got))) {
          if (step.kind === "send") await stream.write(step.bytes);
          else return;
        }
      }
    } catch (error) {
      throw dropped ?? error;
    }
  }

  /** Lets the client in when the place is or becomes free; otherwise closes without its proof. */
  async #admit(stream: Stream, handshake: ServerHandshake, peer: string): Promise<void> {
    const { log, clock, pump, signal } = this.#o;
    let life: V1Life | null = null;
    let evicted = false;
    const tenant: Tenant = {
      signsOfLife: () => life?.signsOfLife() ?? 0,
      askForLife: () => life?.askForLife(),
      isGone: () => stream.info().peerClosed === true,
      evict: () => {
        evicted = true;
        stream.reset();
      },
    };
    if (!await this.#place.claim(tenant, signal)) {
      if (!signal.aborted) log.warn("client turned away: another one is connected", { peer });
      return;
    }
    const since = clock.now();
    const before = { ...pump.counters };
    try {
      const { proof, session } = handshake.accept();
      await using link = new V1Link(stream, session);
      life = new V1Life(link);
      this.#tuner.tune(stream);
      await stream.write(proof);
      log.info("authenticated", { peer, protocol: stream.info().protocol });
      await pump.session(link);
      log.info("disconnected", {
        peer,
        why: "closed by the client",
        ...sessionFacts(clock, since, pump, before),
      });
    } catch (thrown) {
      if (signal.aborted) return;
      const why = evicted
        ? "it is silent, and another client is here"
        : toTtunError(thrown).message;
      log.warn("disconnected", { peer, why, ...sessionFacts(clock, since, pump, before) });
    } finally {
      this.#place.release(tenant);
    }
  }
}

function pushedOut(): TtunError {
  return new TtunError("exhausted", "Dropped: too many connections wait for their handshake");
}

function tooSlow(): TtunError {
  return new TtunError("timeout", "Dropped: the handshake took too long");
}

/** How long a session lasted and what it carried, for the log. */
export function sessionFacts(
  clock: Clock,
  since: number,
  pump: TunPump,
  before: TunPump["counters"],
): { seconds: number; sent_bytes: number; received_bytes: number } {
  return {
    seconds: Math.round((clock.now() - since) / 100) / 10,
    sent_bytes: pump.counters.sentBytes - before.sentBytes,
    received_bytes: pump.counters.receivedBytes - before.receivedBytes,
  };
}
