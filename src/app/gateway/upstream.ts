import type { Stream } from "../../contract/stream.ts";
import type { HttpClientMachine, HttpRequest, HttpResponse } from "../../core/http/exchange.ts";

/** An answer in place of one by the service. */
export interface Page {
  readonly head: HttpResponse;
  readonly body: Uint8Array;
}

/** Tells if the other end of a stream has taken it. `refused`: nothing was done with it. */
export type OpenState = "waiting" | "opened" | "refused";

/** Where one request may be answered: a stream to an agent, or to another node. */
export interface Upstream {
  /** The request as it goes there. */
  readonly head: HttpRequest;
  readonly stream: Stream;
  readonly machine: HttpClientMachine;
  readonly opening: Opening;
  /** Returns true if its link should have brought something by now. */
  readonly isSilent: () => boolean;
  /** Returns true if its link is about to end: nothing new is begun there. */
  readonly isLeaving: () => boolean;
  /** It has not taken the stream in time: others come first. */
  readonly demote: () => void;
  readonly respond: (head: HttpResponse) => HttpResponse;
}

/** Follows whether a stream is taken. */
export class Opening {
  #state: OpenState = "waiting";
  /** Called when it is known. */
  onKnown: () => void = () => {};

  get state(): OpenState {
    return this.#state;
  }

  set(state: "opened" | "refused"): void {
    if (this.#state !== "waiting") return;
    this.#state = state;
    this.onKnown();
  }
}

/** Decides where one request goes. */
export interface Handling {
  /** Returns an upstream, another one at each call; a page, which is the answer; null = there is none now. */
  next(): Upstream | Page | null | Promise<Upstream | Page | null>;
  /** Milliseconds for which the request waits for an upstream that may come. */
  patience(): number;
  /** Calls `run` when there may be another upstream, until it is disposed of. */
  onMore(run: () => void): Disposable;
  /** Returns the page for a request that has no upstream; `words`: why the last one failed, if there was one. */
  failure(words: string | null): Page;
  /** Called once, at the end of the exchange. */
  over(facts: { status: number; requestBytes: number; responseBytes: number }): void;
}
