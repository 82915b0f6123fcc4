import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Target } from "../../base/target.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { NameOwner } from "../../contract/host.ts";

/** Keeps its outcome until the driver takes it; closes a connection that comes after `drop`. */
export class HttpAttempt implements DialEvents<Stream> {
  readonly target: Target;
  /** First bytes for the target, sent along with the connect request. */
  readonly early: Uint8Array;
  /** The connection, owned by the driver once it is taken. */
  stream: Stream | null = null;
  failure: { error: unknown } | null = null;
  readonly #wake: OnReady;
  readonly #cancel = new AbortController();
  #registration: Disposable | null = null;
  #isDropped = false;

  /** `wake` is called when there is an outcome. */
  constructor(target: Target, early: Uint8Array, wake: OnReady) {
    this.target = target;
    this.early = early;
    this.#wake = wake;
  }

  start(outbound: Outbound, o: { signal: AbortSignal; client: NameOwner }): boolean | void {
    const { signal, client } = o;
    const cancel = this.#cancel.signal;
    this.#registration = onAbort(signal, (reason) => this.#cancel.abort(reason));
    try {
      return outbound.open(this.target, { signal, cancel, early: this.early, client }, this);
    } catch (error) {
      return this.failed(error);
    }
  }

  connected(stream: Stream): boolean | void {
    this.#registration?.[Symbol.dispose]();
    if (this.#isDropped) return startClose(stream);
    this.stream = stream;
    return this.#wake();
  }

  failed(error: unknown): boolean | void {
    this.#registration?.[Symbol.dispose]();
    if (this.#isDropped) return;
    this.failure = { error };
    return this.#wake();
  }

  drop(): void {
    this.#isDropped = true;
    this.#registration?.[Symbol.dispose]();
    this.#cancel.abort();
    if (this.stream !== null) startClose(this.stream);
  }
}
