import type { Addr, HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { type MeetingEnd, Meetings, type MeetingStep, WAIT_MS } from "../../core/meet/meetings.ts";
import { packMessage, readEndMessage } from "../../core/meet/messages.ts";
import { addressGroup } from "../net/address_group.ts";
import { Quota } from "../net/connection_quota.ts";
import { Relays } from "../net/relay.ts";
import { ScratchBuffers } from "../net/scratch.ts";
import { ByteRate, ThrottledStream } from "../net/throttled_stream.ts";
import { readMessage } from "./message_io.ts";

/** Ends at a time: each holds a stream. */
export const MEETING_LIMITS = { total: 2048, perAddress: 64 };

/** Pairs whose bytes go through the server at a time. */
export const MOST_RELAYS = 16;

/** Milliseconds without a byte after which a relay ends. */
const RELAY_IDLE_MS = 3_600_000;

const CHUNK = 64 * 1024;

export interface MeetingServerOptions {
  readonly clock: Clock;
  /** Lines that clients can cause in any number. */
  readonly said: RateLimitedLog;
  readonly signal: AbortSignal;
  /** Null = the server does not carry bytes between two clients. */
  readonly relay: RelayPermit | null;
}

export interface RelayPermit {
  /** Of a pair, both ways together. */
  readonly bytesPerSecond: number;
}

/** Whose stream it is. */
export interface MeetingClient {
  /** Address from which it comes. */
  readonly from: Addr;
  /** Name of its key; "" where there is one. */
  readonly account: string;
  /** False while its session has no connection; absent = it is not known. */
  readonly isConnected?: boolean;
}

/** An end's stream, with what ends its service. */
interface Served {
  readonly stream: Stream;
  readonly client: MeetingClient;
  /** The stream carries the other end's bytes, or has ended. */
  readonly over: PromiseWithResolvers<void>;
}

/** Has clients meet: the service "meeting" (docs/wire/meeting.md). */
export class MeetingServer implements Disposable {
  /** Places of ends. */
  readonly places = new Quota(MEETING_LIMITS);
  readonly #o: MeetingServerOptions;
  readonly #meetings: Meetings;
  readonly #served = new Map<MeetingEnd, Served>();
  readonly #relays: Relays;
  #timer: Disposable | null = null;
  /** When the timer fires: at the latest when something is due. */
  #timerAt = Infinity;

  constructor(o: MeetingServerOptions) {
    const { clock, relay, signal } = o;
    this.#o = o;
    this.#meetings = new Meetings({ relays: relay === null ? 0 : MOST_RELAYS });
    const scratch = new ScratchBuffers(relay === null ? 0 : CHUNK);
    this.#relays = new Relays({ clock, scratch, idleMs: RELAY_IDLE_MS, cut: signal });
  }

  /** Pairs whose bytes are carried now. */
  get relays(): number {
    return this.#meetings.relays;
  }

  /** Serves a stream to its end; the caller closes it. Never throws. */
  async serve(stream: Stream, client: MeetingClient): Promise<void> {
    const { clock, said } = this.#o;
    const over = Promise.withResolvers<void>();
    const isConnected = () => client.isConnected !== false;
    const end = this.#meetings.enter(
      { observed: observedOf(client.from), isConnected },
      clock.now(),
    );
    this.#served.set(end, { stream, client, over });
    this.#schedule(this.#meetings.dueOf(end));
    try {
      await Promise.race([this.#read(end, stream), over.promise]);
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
      if (error.kind !== "lost") {
        const peer = addressGroup(client.from);
        said.warn("meeting ended", { peer, why: error.message }, peer);
      }
    } finally {
      this.#perform(this.#meetings.left(end, clock.now()));
      this.#served.delete(end);
      if (this.#meetings.count > 0) this.#schedule(clock.now() + WAIT_MS); // of who is left alone
    }
  }

  async #read(end: MeetingEnd, stream: Stream): Promise<void> {
    for (;;) {
      const message = await readMessage(stream, readEndMessage);
      if (message === null) return;
      const steps = this.#meetings.received(end, message, this.#o.clock.now());
      this.#perform(steps);
      this.#schedule(this.#meetings.dueOf(end));
      if (steps.some((step) => step.kind === "relay")) { // the stream is the relay's
        await this.#served.get(end)?.over.promise;
        return;
      }
    }
  }

  #perform(steps: readonly MeetingStep[]): void {
    for (const step of steps) {
      if (step.kind === "send") this.#send(step.to, packMessage(step.message));
      else if (step.kind === "close") this.#served.get(step.end)?.over.resolve();
      else this.#relay(this.#served.get(step.dials), this.#served.get(step.listens));
    }
  }

  /** Messages are few and short: whoever has left them all unread is no end that means it. */
  #send(to: MeetingEnd, bytes: Uint8Array): void {
    const served = this.#served.get(to);
    if (served === undefined) return;
    try {
      if (served.stream.writeNow(bytes) < bytes.length) served.stream.reset();
    } catch (error) {
      if (!(error instanceof TtunError)) throw error; // a mistake; else its reader hears of it
    }
  }

  #relay(dials: Served | undefined, listens: Served | undefined): void {
    const { clock, relay, said } = this.#o;
    if (dials === undefined || listens === undefined || relay === null) {
      this.#meetings.unrelayed();
      dials?.over.resolve();
      listens?.over.resolve();
      return;
    }
    forgetReader(listens.stream);
    const rate = new ByteRate(clock, relay.bytesPerSecond);
    const ends = [dials, listens];
    const [first, second] = ends.map(({ stream }) => new ThrottledStream(stream, rate));
    const count = { up: 0, down: 0 };
    const [peer, other] = ends.map(({ client: { from } }) => addressGroup(from));
    const facts = { peer, other };
    said.info("relaying between two clients", facts, peer);
    this.#relays.start(first!, second!, count, (failure) => {
      this.#meetings.unrelayed();
      said.info("relay ended", { ...facts, ...count }, peer);
      for (const { over } of ends) over.resolve();
      return failure === null;
    });
  }

  /** Has something done at `dueAt`; a timer that fires too early does no harm. */
  #schedule(dueAt: number): void {
    const { clock, signal } = this.#o;
    if (dueAt >= this.#timerAt || signal.aborted) return;
    this.#stopTimer();
    this.#timerAt = dueAt;
    this.#timer = clock.after(Math.max(0, dueAt - clock.now()), () => {
      this.#stopTimer();
      this.#perform(this.#meetings.tick(clock.now()));
      this.#schedule(this.#meetings.dueAt);
    });
  }

  #stopTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.#timerAt = Infinity;
  }

  [Symbol.dispose](): void {
    this.#stopTimer();
    this.#relays[Symbol.dispose]();
  }
}

/** The message that was waited for does not come any more: its reader must not take the relay's bytes. */
function forgetReader(stream: Stream): void {
  try {
    stream.onReadable(() => true);
  } catch (error) {
    if (!(error instanceof TtunError)) throw error; // a mistake; else the relay hears of it
  }
}

function observedOf(from: Addr): HostPort | null {
  return "host" in from && from.host !== "" ? from : null;
}
