import type { HostPort } from "../../base/addr.ts";
import { ProtocolError } from "../../base/errors.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { MaybePromise, Stream } from "../../contract/stream.ts";
import type { Socks4Server } from "../../core/proxy/socks/socks4_server.ts";
import type { Socks5Server } from "../../core/proxy/socks/socks5_server.ts";
import type { Target } from "../../base/target.ts";
import { startClose } from "../../base/start_close.ts";
import { ReplyBuffer } from "./reply_buffer.ts";
import { type ConnectError, toConnectError } from "../net/connect_error.ts";
import { open } from "../net/dial_events.ts";
import type { ServedEvents } from "../net/served_events.ts";
import type { InboundOptions } from "./inbound_options.ts";
import { openAssociation } from "./udp_association.ts";
import { discard } from "../net/discard.ts";
import { linger } from "../net/lingering_close.ts";
import type { RelayCount, RelayFailure } from "../net/relay.ts";
import { readable, write } from "../loop/stream_io.ts";

/** Milliseconds for the first bytes of a client that is told early to be connected. */
const WORDS_MS = 10;

const MOST_WORDS = 16 * 1024;

const EMPTY = new Uint8Array();

/** Milliseconds for which an answer may be held, so that the client does not give up. */
const HOLD_MS = 50;

/** Works by callbacks: an async function would take longer than all else for short messages. */
export class SocksDriver implements DialEvents {
  readonly #client: Stream;
  readonly #machine: Socks5Server | Socks4Server;
  readonly #o: InboundOptions;
  readonly #events: ServedEvents;
  readonly #answers: ReplyBuffer;
  readonly #count: RelayCount = { up: 0, down: 0 };
  #deadline: Disposable | null = null;
  #upstream: Stream | null = null;
  #target: Target | null = null;
  /** The timer that flushes held answers. */
  #soon: Disposable | null = null;
  /** All that is left is done by callbacks. */
  #isUnderWay = false;

  constructor(
    client: Stream,
    machine: Socks5Server | Socks4Server,
    o: InboundOptions,
    events: ServedEvents,
  ) {
    this.#client = client;
    this.#machine = machine;
    this.#o = o;
    this.#events = events;
    this.#answers = new ReplyBuffer(client);
  }

  /** `first` is lent for this call. Returns true as OnReady does. */
  begin(first: Uint8Array): boolean {
    try {
      return this.#feed(first) ? this.#read() : this.#isUnderWay;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  readonly #onReadable = (): boolean => {
    try {
      return this.#read();
    } catch (error) {
      this.#fail(error);
      return false;
    }
  };

  /** Returns true as OnReady does. */
  #read(): boolean {
    const { scratch } = this.#o.relays.options;
    for (;;) {
      const got = this.#client.readNow(scratch.message);
      if (got === null) throw new ProtocolError("Cannot serve a SOCKS client: it ended early");
      if (got === undefined) break;
      if (!this.#feed(scratch.plainTo(got))) return this.#isUnderWay;
    }
    this.#limit();
    const answering = this.#answers.flush();
    if (answering === undefined) {
      this.#client.onReadable(this.#onReadable);
      return true;
    }
    answering.then(this.#onReadable, this.#fail);
    return false;
  }

  #limit(): void {
    const { relays, requestMs } = this.#o;
    this.#deadline ??= relays.options.clock.after(requestMs, () => this.#client.reset());
  }

  /** Returns true if more must be read. */
  #feed(chunk: Uint8Array): boolean {
    for (const step of this.#machine.feed(chunk)) {
      switch (step.kind) {
        case "send":
          this.#answers.hold(step.bytes);
          break;
        case "connect":
          this.#connect(step.target);
          return false;
        case "associate":
          this.#deadline?.[Symbol.dispose]();
          this.#associate().catch(this.#fail);
          return false;
        case "end": // with a deadline, since the client may never read
          this.#limit();
          this.#end(step.why).catch(this.#fail);
          return false;
      }
    }
    return true;
  }

  /** @throws {ProtocolError} */
  async #end(why: string): Promise<never> {
    await this.#answers.flush();
    await this.#client.closeWrite();
    await linger(this.#client, this.#o.relays.options.clock);
    throw new ProtocolError(`Cannot serve a SOCKS client: ${why}`);
  }

  /** Serves the client's datagrams until its connection ends. Of SOCKS4 there is no such step. */
  async #associate(): Promise<void> {
    const machine = this.#machine as Socks5Server;
    const { udp, relays: { options: { clock } } } = this.#o;
    using association = openAssociation(udp!, this.#client.local, this.#events.from);
    if (association === null) {
      this.#answers.hold(machine.notSupported());
      this.#limit();
      return await this.#end("UDP is not to be had");
    }
    this.#answers.hold(machine.accepted(association.addr));
    await this.#answers.flush();
    await discard(this.#client, clock); // nothing more is said there
    this.#events.onEnd(this.#count);
  }

  #connect(target: Target): void {
    this.#deadline?.[Symbol.dispose]();
    this.#events.onTarget(target);
    const { outbound, signal, isEager, relays } = this.#o;
    if (isEager?.(target) === true) return void this.#connectEarly(target).catch(this.#fail);
    this.#soon = this.#answers.flushAfter(relays.options.clock, HOLD_MS);
    this.#target = target;
    try {
      this.#isUnderWay = outbound.open(target, { signal, client: this.#events }, this) === true;
    } catch (error) {
      this.failed(error);
    }
  }

  failed(thrown: unknown): void {
    this.#soon?.[Symbol.dispose]();
    this.#refuse(thrown, this.#target!).catch(this.#fail);
  }

  /** @throws {ConnectError} */
  async #refuse(thrown: unknown, target: Target): Promise<never> {
    const error = this.#refused(thrown, target);
    this.#answers.hold(this.#machine.failed(error.failure));
    await this.#answers.flush();
    await this.#client.closeWrite();
    await linger(this.#client, this.#o.relays.options.clock);
    throw error;
  }

  #refused(thrown: unknown, target: Target): ConnectError {
    if (!this.#o.signal.aborted) this.#events.onRefused(thrown);
    return toConnectError(thrown, target);
  }

  connected(upstream: Stream): boolean {
    this.#soon?.[Symbol.dispose]();
    this.#upstream = upstream;
    try {
      return this.#accept(upstream);
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #accept(upstream: Stream): boolean {
    const { rest } = this.#machine;
    const bound = this.#o.hidesBound === true ? null : boundOf(upstream);
    this.#answers.hold(this.#machine.accepted(bound));
    const answering = this.#answers.flush();
    const writing = rest.length > 0 ? this.#writeFirst(upstream, rest) : undefined;
    this.#o.relays.addUp(this.#count, rest.length);
    if (answering === undefined && writing === undefined) return this.#relay(upstream);
    Promise.all([answering, writing]).then(() => void this.#relay(upstream)).catch(this.#fail);
    return false;
  }

  /** Leaves a failure to the relay, which first reads what the target may have said before. */
  #writeFirst(upstream: Stream, bytes: Uint8Array): MaybePromise<void> {
    try {
      const writing = write(upstream, bytes);
      return writing instanceof Promise ? writing.catch(() => {}) : writing; // left to the relay
    } catch {
      // The relay finds out the same failure when it reads.
    }
  }

  async #connectEarly(target: Target): Promise<void> {
    this.#answers.hold(this.#machine.accepted(null));
    await this.#answers.flush();
    const { rest } = this.#machine;
    const early = rest.length > 0 ? rest : await this.#firstWords();
    try {
      const { outbound, signal } = this.#o;
      this.#upstream = await open(outbound, target, {
        signal,
        early,
        once: true,
        client: this.#events,
      });
    } catch (thrown) {
      this.#client.reset();
      throw this.#refused(thrown, target);
    }
    this.#o.relays.addUp(this.#count, early.length);
    this.#relay(this.#upstream);
  }

  /** Returns no bytes if the target speaks first. */
  async #firstWords(): Promise<Uint8Array> {
    const { clock, scratch } = this.#o.relays.options;
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    using _timer = clock.after(WORDS_MS, () => resolve("late"));
    for (;;) {
      const got = this.#client.readNow(scratch.plain.subarray(0, MOST_WORDS));
      if (got === null) return EMPTY; // the relay finds the end again
      if (got !== undefined) return scratch.plain.slice(0, got);
      const waiting = readable(this.#client);
      waiting.catch(() => {}); // nobody waits for it after the time-out
      if (await Promise.race([waiting, late]) === "late") return EMPTY;
    }
  }

  #relay(upstream: Stream): boolean {
    return this.#o.relays.start(this.#client, upstream, this.#count, this.#relayed);
  }

  readonly #relayed = (failure: RelayFailure): boolean | void => {
    if (failure !== null) return this.#fail(failure.error);
    startClose(this.#upstream!);
    return this.#events.onEnd(this.#count);
  };

  readonly #fail = (error: unknown): void => {
    this.#soon?.[Symbol.dispose]();
    this.#deadline?.[Symbol.dispose]();
    if (this.#upstream !== null) startClose(this.#upstream);
    this.#events.onFailure(error);
  };
}

function boundOf({ local }: Stream): HostPort | null {
  return local === undefined || "path" in local ? null : local;
}
