import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { RelayFailure } from "../net/relay.ts";
import { endClient } from "./http_close.ts";
import { HttpLoop } from "./http_loop.ts";
import type { HttpSide } from "./http_side.ts";

/** Serves an HTTP client: its requests, then the relay of CONNECT or an upgrade, or the close. */
export class HttpDriver extends HttpLoop {
  #cut: Disposable | null = null;

  override begin(first: Uint8Array): boolean {
    const { cut } = this.o.relays.options;
    if (cut !== undefined) this.#cut = onAbort(cut, this.#reset);
    return super.begin(first);
  }

  protected ended(): boolean {
    const { client, target } = this;
    const ending = this.ending!;
    if (ending.kind === "endClient") {
      const { clock } = this.o.relays.options;
      endClient(client, ending.how, clock, this.#limit).then(this.#over, this.failed);
      return false;
    }
    const isFlushed = !client.sink.isBusy && !target!.sink.isBusy && client.sink.failure === null;
    if (isFlushed) return this.#relay(target!);
    this.#flush(target!).then(() => void this.#relay(target!), this.failed);
    return false;
  }

  async #flush(target: HttpSide): Promise<void> {
    using _limit = this.#limit();
    const toTarget = target.sink.flushed().catch(() => {}); // the relay finds its failure again
    await Promise.all([this.client.sink.flushed(), toTarget]);
  }

  /** Bounds the last writes, for a peer that may never read. */
  readonly #limit = (): Disposable | null => {
    const { clock, idleMs } = this.o.relays.options;
    return idleMs === Infinity ? null : clock.after(idleMs, this.#reset);
  };

  #relay(target: HttpSide): boolean {
    return this.o.relays.start(this.client.stream, target.stream, this.count, this.#relayed);
  }

  readonly #relayed = (failure: RelayFailure): boolean | void => {
    return failure === null ? this.#over() : this.failed(failure.error);
  };

  readonly #over = (): boolean | void => {
    this.release();
    if (this.target !== null) startClose(this.target.stream);
    return this.events.onEnd(this.count);
  };

  protected readonly failed = (error: unknown): void => {
    this.release();
    this.closeTarget("reset"); // the target must not take this for a complete request
    this.events.onFailure(error);
  };

  protected override release(): void {
    super.release();
    this.#cut?.[Symbol.dispose]();
  }

  readonly #reset = (): void => {
    this.client.stream.reset();
    this.target?.stream.reset();
  };
}
