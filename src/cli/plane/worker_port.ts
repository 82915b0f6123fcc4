import { receiveMessageOnPort } from "node:worker_threads";
import { errorFromPlain } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Resolver } from "../../contract/host.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import type { PlaneCommand, PlaneEvent } from "./messages.ts";

/**
 * The data plane's end of its conversation with the main thread. Where the loop blocks, no message
 * is ever delivered by itself: a write to the reactor's eventfd announces one, and it is fetched.
 * `Go` is what comes with the order to go.
 */
export class PlanePort<Go> implements Resolver {
  readonly #port: MessagePort;
  readonly #go = Promise.withResolvers<Go>();
  readonly #stop = Promise.withResolvers<void>();
  /** Called when the counters are asked for. */
  onStatus: () => void = () => {};
  readonly #questions = new Map<number, PromiseWithResolvers<string[]>>();
  #lastQuestion = 0;

  /** `reactor`: the loop that may block, or null where there is none. */
  constructor(port: MessagePort, reactor: Reactor | null) {
    this.#port = port;
    if (reactor?.mode === "blocking") {
      reactor.onWake = () => this.#fetch();
      this.report({ kind: "listening", wakeFd: reactor.wakeFd });
    } else {
      port.onmessage = (event) => this.#take(event.data as PlaneCommand<Go>);
      this.report({ kind: "listening", wakeFd: null });
    }
  }

  report(report: PlaneEvent): void {
    this.#port.postMessage(report);
  }

  /** Settles when the order to go has come. */
  get go(): Promise<Go> {
    return this.#go.promise;
  }

  /** Settles when the order to stop has come. */
  get stop(): Promise<void> {
    return this.#stop.promise;
  }

  resolve(host: string, { signal }: { signal: AbortSignal }): Promise<string[]> {
    return this.#ask((id) => ({ kind: "resolve", id, host }), signal);
  }

  /** Tells a client's addresses, and waits until what is to be done with them has been done. */
  async tellAddresses(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#ask((id) => ({ kind: "addresses", id, addresses }), signal);
  }

  async #ask(question: (id: number) => PlaneEvent, signal: AbortSignal): Promise<string[]> {
    signal.throwIfAborted();
    const id = ++this.#lastQuestion;
    const answer = Promise.withResolvers<string[]>();
    this.#questions.set(id, answer);
    using _tie = onAbort(signal, answer.reject);
    try {
      this.report(question(id));
      return await answer.promise;
    } finally {
      this.#questions.delete(id);
    }
  }

  #fetch(): void {
    for (;;) {
      const found = receiveMessageOnPort(this.#port as never) as
        | { message: PlaneCommand<Go> }
        | undefined;
      if (found === undefined) return;
      this.#take(found.message);
    }
  }

  #take(order: PlaneCommand<Go>): void {
    switch (order.kind) {
      case "go":
        return this.#go.resolve(order.with);
      case "stop":
        return this.#stop.resolve();
      case "status":
        return this.onStatus();
      case "resolved":
        return this.#questions.get(order.id)?.resolve([...order.addresses]);
      case "unresolved":
        return this.#questions.get(order.id)?.reject(errorFromPlain(order.error));
      case "taken":
        return this.#questions.get(order.id)?.resolve([]);
      default:
        order satisfies never;
    }
  }
}
