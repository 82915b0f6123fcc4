import type { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { FriendStream } from "../../core/tuntox/friend_stream.ts";
import type { OpeningEvents, PendingStream } from "../../core/tuntox/friend_streams.ts";
import type { StreamLink } from "./stream_link.ts";

export interface FriendDialerOptions {
  readonly clock: Clock;
  /** Milliseconds for the link to come up, which takes far longer than a connection of TCP. */
  readonly deadlineMs: number;
  /** Says how far the link has come when that time is over. */
  readonly notReached: () => TtunError;
}

/**
 * Opens streams with a friend; while the link is down they wait for it. The time that a caller gives
 * is not heeded: it is for networks in which a server is found at once.
 */
export class FriendDialer implements Dialer<void> {
  readonly #link: StreamLink;
  readonly #o: FriendDialerOptions;
  readonly #waiting = new Set<Opening>();
  #failure: unknown = null;

  constructor(link: StreamLink, o: FriendDialerOptions) {
    this.#link = link;
    this.#o = o;
    link.onUp = () => {
      for (const opening of [...this.#waiting]) opening.ask();
    };
  }

  start(_: void, { signal, cancel = signal }: DialOptions, events: DialEvents): boolean | void {
    if (signal.aborted || cancel.aborted) {
      return events.failed(signal.aborted ? signal.reason : cancel.reason);
    }
    if (this.#failure !== null) return events.failed(this.#failure);
    const opening = new Opening(this.#link, signal, events, () => this.#waiting.delete(opening));
    this.#waiting.add(opening);
    const { clock, deadlineMs, notReached } = this.#o;
    opening.own(onAbort(cancel, (reason) => opening.fail(reason)));
    if (cancel !== signal) opening.own(onAbort(signal, (reason) => opening.fail(reason)));
    if (this.#link.link.isUp) return opening.ask();
    opening.own(clock.after(deadlineMs, () => opening.isWaiting && opening.fail(notReached())));
  }

  /** The link never comes up again: all that waits fails, and each later dial. */
  fail(error: unknown): void {
    this.#failure = error;
    for (const opening of [...this.#waiting]) opening.fail(error);
  }
}

/** One request, until it is answered. */
class Opening implements OpeningEvents {
  readonly #link: StreamLink;
  readonly #signal: AbortSignal;
  readonly #events: DialEvents;
  readonly #onOver: () => void;
  readonly #owned = new DisposableStack();
  #pending: PendingStream | null = null;
  #isOver = false;

  constructor(link: StreamLink, signal: AbortSignal, events: DialEvents, onOver: () => void) {
    this.#link = link;
    this.#signal = signal;
    this.#events = events;
    this.#onOver = onOver;
  }

  /** Disposes of it when the request is over. */
  own(one: Disposable): void {
    this.#owned.use(one);
  }

  /** The link has not been asked yet. */
  get isWaiting(): boolean {
    return this.#pending === null;
  }

  ask(): void {
    if (this.#pending === null && !this.#isOver) this.#pending = this.#link.streams.open(this);
  }

  opened(stream: FriendStream): void {
    this.#end();
    stream.liveUnder(this.#signal);
    this.#events.connected(stream);
  }

  refused(error: TtunError): void {
    if (this.#isOver) return;
    this.#end();
    this.#events.failed(error);
  }

  fail(reason: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.#pending?.cancel();
    this.#events.failed(reason);
  }

  #end(): void {
    this.#isOver = true;
    this.#onOver();
    this.#owned.dispose();
  }
}
