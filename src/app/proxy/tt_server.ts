import { formatAddr } from "../../base/addr.ts";
import { ProtocolError, toTtunError } from "../../base/errors.ts";
import { holdListener, onAbort, scope } from "../../base/scope.ts";
import { NONCE_SIZE } from "../../contract/cipher.ts";
import type { Rng } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { FrameOpener, FrameSealer, MAX_RANDOM_SENT } from "../../core/tt/frame.ts";
import { minuteOf } from "../../core/tt/keys.ts";
import { NonceMemory } from "../../core/tt/nonces.ts";
import { portOf } from "../../core/tt/port_range.ts";
import { RandomBlock } from "../../core/tt/random.ts";
import { ListenSchedule } from "../../core/tt/schedule.ts";
import { dialMakingRoom } from "../make_room.ts";
import { Pending } from "../pending.ts";
import { QuietLog } from "../quiet_log.ts";
import { Stranger, strangerDeadline } from "../stranger.ts";
import { throwAway } from "../throw_away.ts";
import { CARRIER_TUNING } from "./carriers.ts";
import { type Connect, ConnectError, connectFromHere } from "./egress.ts";
import { type Admitted, readFirstFrame } from "./first_flight.ts";
import { serveFront, targetText } from "./front_driver.ts";
import { type Account, Guesses } from "./guesses.ts";
import { MinuteSecrets } from "./minute_secrets.ts";
import { nextBytes } from "./next_bytes.ts";
import type { ProxyServerOptions } from "./options.ts";
import { PortHopper } from "./port_hopper.ts";
import { Quota } from "./quota.ts";
import { Scratch } from "./scratch.ts";
import { TtStream, type TtStreamOptions } from "./tt_stream.ts";

/** How long a client that has shown the password may take to say what it wants. */
const REQUEST_MS = 30_000;

/** How long a carrier whose connection is over is kept for the next: longer than a client keeps it. */
const IDLE_MS = 20_000;

/** After so many connections of a carrier the others have a turn. */
const TURN = 32;

const NOTHING: Uint8Array = new Uint8Array();

/** The first text of somebody who wants a proxy, as tt's servers tell it (docs/tt-v1.md, 3.2). */
const HTTP_METHOD = /^[A-Z]{3,10} /;

/**
 * Serves a proxy on the ports of the hour until the signal aborts (docs/tt-v1.md).
 * @throws {TtunError} when no port can be opened
 */
export async function serveProxy(o: ProxyServerOptions): Promise<void> {
  using stack = new DisposableStack();
  const accounts = o.keys.map(({ name, password }) => ({
    name,
    secrets: stack.use(new MinuteSecrets(password, o.wire)),
    nonces: new NonceMemory(o.rng),
  }));
  const cut = new AbortController();
  using _tie = onAbort(o.signal, (reason) => cut.abort(reason)); // before what the scope owns
  using _hold = holdListener(cut.signal);
  await scope(o.signal, (tasks) => {
    const guesses = stack.use(new Guesses({ accounts, range: o.wire.range }));
    const server = new ProxyServer({ ...o, signal: tasks.signal }, guesses, cut.signal);
    const hopper = new PortHopper(tasks, {
      ...o,
      schedules: accounts.map(({ secrets }) =>
        new ListenSchedule({
          minutePort: (minute) => {
            const { otp, lifetime } = secrets.keysAt(minute);
            return { port: portOf(otp, o.wire.range), lifetime };
          },
        })
      ),
      isOnePort: o.wire.range.first === o.wire.range.last,
      take: (stream, port) => tasks.spawn(() => server.serve(stream, port)),
      makeRoom: () => server.pending.dropOldest(),
    });
    tasks.spawn(() => hopper.run());
  });
}

class ProxyServer {
  readonly pending = new Pending();
  readonly #o: ProxyServerOptions;
  readonly #guesses: Guesses;
  readonly #cut: AbortSignal;
  readonly #quota: Quota;
  readonly #rejected: QuietLog;
  readonly #denied: QuietLog;
  readonly #scratch = new Scratch();
  readonly #random: RandomBlock;
  readonly #rng: Rng = (length) => this.#random.take(length);
  readonly #connect: Connect;

  /** `cut`: as of RelayOptions. */
  constructor(o: ProxyServerOptions, guesses: Guesses, cut: AbortSignal) {
    this.#o = o;
    this.#cut = cut;
    this.#guesses = guesses;
    this.#quota = new Quota(o.limits);
    this.#rejected = new QuietLog(o.log, () => o.clock.now());
    this.#denied = new QuietLog(o.log, () => o.clock.now());
    this.#random = new RandomBlock(o.rng);
    const dialer = dialMakingRoom(o.dialer, () => this.pending.dropOldest());
    this.#connect = connectFromHere({ ...o, dialer, connectMs: o.limits.connectMs });
  }

  /** A carrier from accept to close. Never throws: what it meets is its own end only. */
  async serve(stream: Stream, port: number): Promise<void> {
    await using owned = stream;
    const peer = formatAddr(owned.remote);
    try {
      const admitted = await this.#admit(owned, port, peer);
      if (admitted === null) return;
      using _minute = admitted.minute;
      owned.tune(CARRIER_TUNING);
      let first: Uint8Array | null = admitted.text;
      let text = this.#firstConnection(owned, admitted);
      for (let count = 1; first !== null; count++) {
        await this.#proxy(text, first, admitted.account, peer);
        if (!text.isOver) return;
        if (count % TURN === 0) await this.#o.clock.turn(); // they may all be there already
        text = this.#nextConnection(owned, admitted, text.takeRest());
        first = await this.#nextFirst(text, owned);
      }
    } catch (thrown) {
      // Why there is no target has been told.
      if (!this.#o.signal.aborted && !(thrown instanceof ConnectError)) this.#tell(thrown, peer);
    }
  }

  /** Returns when the client has shown the password; null when it was a stranger, who is gone then. */
  async #admit(stream: Stream, port: number, peer: string): Promise<Admitted | null> {
    const { clock, wallClock } = this.#o;
    // Freed at once, here and in the kernel.
    using _pending = this.pending.add(stream.remote, () => stream.reset());
    using _deadline = clock.after(
      strangerDeadline(this.#rng),
      () => void stream[Symbol.asyncDispose](),
    );
    try {
      const found = await readFirstFrame(stream, port, {
        guesses: this.#guesses,
        scratch: this.#scratch,
        wallClock,
      });
      if (isRequest(found.text)) return found;
      found.minute[Symbol.dispose]();
      throw new Stranger("it wants no proxy (TUN mode over tt is not there yet)");
    } catch (error) {
      if (!(error instanceof Stranger)) {
        if (toTtunError(error).kind === "internal") throw error;
        return null; // it ended, or was too slow
      }
      this.#rejected.warn("connection rejected", { peer, why: error.message });
    }
    await throwAway(stream, clock).catch(() => {}); // ended by the deadline or by a reset: all the same
    return null;
  }

  /** One connection: what its client wants, to the end of both ways. */
  async #proxy(
    text: TtStream,
    first: Uint8Array,
    { name }: Account,
    peer: string,
  ): Promise<void> {
    const { limits, log, clock } = this.#o;
    using place = this.#quota.take(text.remote);
    if (place === null) {
      this.#rejected.warn("no place for another connection", { peer });
      return text.reset();
    }
    const user = name === "" ? {} : { user: name };
    let to = targetText(null);
    const since = clock.now();
    const count = await serveFront(text, first, {
      clock,
      scratch: this.#scratch,
      idleMs: limits.idleMs,
      cut: this.#cut,
      requestMs: REQUEST_MS,
      auth: null,
      asTt: true,
      signal: this.#o.signal,
      connect: this.#connect,
      onTarget: (target) => {
        to = targetText(target);
        log.debug("connect", { peer, ...user, target: to });
      },
      onRefused: (thrown) => this.#tell(thrown, peer),
    });
    const seconds = Math.round((clock.now() - since) / 100) / 10;
    log.debug("done", { peer, ...user, target: to, seconds, ...count });
  }

  #firstConnection(stream: Stream, admitted: Admitted): TtStream {
    const random = admitted.minute.secrets.marker.markedRandom(this.#rng);
    return this.#tunnel(stream, admitted, random, { rest: admitted.rest });
  }

  /** The one that may come over a carrier whose connection is over. */
  #nextConnection(stream: Stream, admitted: Admitted, rest = NOTHING): TtStream {
    const { account, minute, peer } = admitted;
    return this.#tunnel(stream, admitted, this.#random.take(MAX_RANDOM_SENT), {
      rest,
      onFirst: (random) => {
        const nonce = random.subarray(0, NONCE_SIZE);
        const now = minuteOf(this.#o.wallClock());
        const verdict = account.nonces.noteReceived(minute.keys, nonce, now);
        if (verdict === "new") return peer;
        throw new ProtocolError(`Cannot serve another connection: its first frame is ${verdict}`);
      },
    });
  }

  /** What it begins with; null = it does not come. */
  async #nextFirst(text: TtStream, carrier: Stream): Promise<Uint8Array | null> {
    // Closed, not reset: what the connection before has sent may not have arrived yet.
    const close = () => void carrier[Symbol.asyncDispose]();
    using _pending = this.pending.add(carrier.remote, close);
    using _deadline = this.#o.clock.after(IDLE_MS, close);
    return await nextBytes(text, this.#scratch.plain);
  }

  #tunnel(
    stream: Stream,
    { account, minute, peer }: Admitted,
    firstRandom: Uint8Array,
    o: Pick<TtStreamOptions, "rest" | "onFirst">,
  ): TtStream {
    const { wallClock, wire, clock } = this.#o;
    const nonce = firstRandom.subarray(0, NONCE_SIZE);
    account.nonces.noteSent(minute.keys, nonce, minuteOf(wallClock()));
    return new TtStream({
      ...o,
      stream,
      sealer: new FrameSealer(minute.secrets, this.#random),
      opener: new FrameOpener(minute.secrets),
      scratch: this.#scratch,
      clock,
      firstRandom,
      peer,
      ...(wire.mostText !== undefined && { mostText: wire.mostText }),
    });
  }

  #tell(thrown: unknown, peer: string): void {
    const { log } = this.#o;
    if (thrown instanceof ConnectError) {
      const { failure, message: why } = thrown;
      // That it takes an --allow is for whoever runs the server: the client may not hear of it.
      if (failure === "denied") return this.#denied.info("target denied", { peer, why });
      return log.debug("not connected", { peer, why });
    }
    const error = toTtunError(thrown);
    if (error.kind === "internal") return log.error(error.message, { peer });
    if (error instanceof ProtocolError) {
      return this.#rejected.warn("connection ended", { peer, why: error.message });
    }
    log.debug("connection ended", { peer, why: error.message });
  }
}

/** Whether a first text asks for a proxy. */
function isRequest(text: Uint8Array): boolean {
  if (text[0] === 5) return text.length > 2 && text.length === 2 + text[1]!;
  return HTTP_METHOD.test(String.fromCharCode(...text.subarray(0, 12)));
}
