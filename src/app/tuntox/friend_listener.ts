import type { Addr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { PacketLink } from "../../contract/packet_link.ts";
import type { OnReady } from "../../contract/stream.ts";
import type { FriendStream } from "../../core/tuntox/friend_stream.ts";
import { UNREAD_OF_ALL } from "../../core/tuntox/limits.ts";
import { UnreadTotal } from "../../core/tuntox/unread_total.ts";
import { StreamLink } from "./stream_link.ts";

/** Streams that nobody has accepted yet, of all friends. */
const MOST_PENDING = 128;

/** Accepts the streams that friends open. */
export class FriendListener implements Listener {
  readonly addr: Addr = { path: "" };
  readonly #clock: Clock;
  readonly #total: UnreadTotal;
  readonly #registration: Disposable;
  #pending: FriendStream[] = [];
  #waiter: OnReady | null = null;
  #closed: { readonly reason: unknown } | null = null;

  /**
   * It listens until the signal aborts. `total`: counts what waits for readers, of all friends.
   * @throws the signal's reason
   */
  constructor(clock: Clock, signal: AbortSignal, total = new UnreadTotal(UNREAD_OF_ALL)) {
    signal.throwIfAborted();
    this.#clock = clock;
    this.#total = total;
    this.#registration = onAbort(signal, (reason) => this.#close(reason));
  }

  /** Takes streams of the friend at the other end of a link until that goes down. */
  serve(link: PacketLink): StreamLink {
    return new StreamLink(link, {
      clock: this.#clock,
      total: this.#total,
      accept: (stream) => this.#take(stream),
    });
  }

  #take(stream: FriendStream): boolean {
    if (this.#closed !== null || this.#pending.length >= MOST_PENDING) return false;
    this.#pending.push(stream);
    this.#tell();
    return true;
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    if (this.#closed !== null) throw this.#closed.reason;
    signal.throwIfAborted();
    const stream = this.#pending.shift();
    stream?.liveUnder(signal);
    return stream ?? null;
  }

  onAcceptable(run: OnReady): void {
    if (this.#closed !== null) throw this.#closed.reason;
    this.#waiter = run;
  }

  #tell(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null) this.#clock.onTurn(waiter);
  }

  /** Friends never come again: whoever accepts gets the error. */
  fail(error: unknown): void {
    this.#close(error);
  }

  #close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#registration[Symbol.dispose]();
    for (const stream of this.#pending.splice(0)) stream.reset();
    this.#tell();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#close(new TtunError("lost", "Cannot accept: the listener was closed"));
    return Promise.resolve();
  }
}
