import { receiveMessageOnPort } from "node:worker_threads";
import type { Agreement } from "../../app/transfer/receive_files.ts";
import { errorFromPlain, plainError } from "../../base/errors.ts";
import type { NamedKey } from "../../base/named_key.ts";
import { onAbort } from "../../base/scope.ts";
import type { Resolver } from "../../contract/host.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import type { TunnelConfig } from "../gateway/plane_config.ts";
import type { Offer } from "../transfer/offer.ts";
import type { PlaneCommand, PlaneEvent, PlaneRules } from "./messages.ts";

type Waiting<T> = PromiseWithResolvers<T>;

/**
 * The Worker's side of the port; plane_handle.ts has the main thread's. While the reactor's loop
 * blocks, no message is delivered by itself: a write to its eventfd announces one, which is then
 * fetched.
 */
export class PlanePort<Start> implements Resolver {
  readonly #port: MessagePort;
  readonly #start = Promise.withResolvers<Start>();
  readonly #stop = Promise.withResolvers<void>();
  #isEndedOnPurpose = false;
  #tellStatus: (() => void) | null = null;
  #tellLive: (() => void) | null = null;
  readonly #rules = new Latest<PlaneRules>();
  readonly #keys = new Latest<readonly NamedKey[]>();
  readonly #tunnels = new Latest<readonly TunnelConfig[]>();
  /** Status was asked for before there was anything to tell. */
  #owesStatus = false;
  readonly #requests = new Map<number, Waiting<string[]>>();
  readonly #secrets = new Map<number, Waiting<Uint8Array>>();
  readonly #offers = new Map<number, Waiting<Agreement>>();
  #lastId = 0;

  /** `reactor` is the loop that may block; null if messages arrive by themselves. */
  constructor(port: MessagePort, reactor: Reactor | null) {
    this.#port = port;
    if (reactor?.mode === "blocking") {
      reactor.onWake = () => this.#fetch();
      this.report({ kind: "listening", wakeFd: reactor.wakeFd });
    } else {
      port.onmessage = (event) => this.#take(event.data as PlaneCommand<Start>);
      this.report({ kind: "listening", wakeFd: null });
    }
  }

  /** `tell` is called whenever status is asked for, at once if it has been. */
  onStatus(tell: () => void): void {
    this.#tellStatus = tell;
    if (this.#owesStatus) tell();
    this.#owesStatus = false;
  }

  /** `tell` is called whenever a sample for the live line is asked for. */
  onLive(tell: () => void): void {
    this.#tellLive = tell;
  }

  /** `use` is called with other rules than those of the beginning, at once if there are some. */
  onRules(use: (rules: PlaneRules) => void): void {
    this.#rules.on(use);
  }

  /** `use` is called with other keys than those of the beginning, at once if there are some. */
  onKeys(use: (keys: readonly NamedKey[]) => void): void {
    this.#keys.on(use);
  }

  /** `use` is called with other tunnels than those of the beginning, at once if there are some. */
  onTunnels(use: (tunnels: readonly TunnelConfig[]) => void): void {
    this.#tunnels.on(use);
  }

  report(event: PlaneEvent): void {
    this.#port.postMessage(event);
  }

  get start(): Promise<Start> {
    return this.#start.promise;
  }

  get stop(): Promise<void> {
    return this.#stop.promise;
  }

  /** True once the user has ended ttun; false while it runs, and after a failure. */
  get isEndedOnPurpose(): boolean {
    return this.#isEndedOnPurpose;
  }

  resolve(host: string, { signal }: { signal: AbortSignal }): Promise<string[]> {
    return this.#ask(this.#requests, (id) => ({ kind: "resolve", id, host }), signal);
  }

  /** Works out the secret of version 2 in the main thread. @throws {TtunError} exhausted */
  linkSecret(key: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return this.#ask(this.#secrets, (id) => ({ kind: "derive", id, key }), signal);
  }

  /** Waits until the main thread has used the addresses of a client's session. */
  async tellAddresses(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#ask(this.#requests, (id) => ({ kind: "addresses", id, addresses }), signal);
  }

  /**
   * Has the user asked in the main thread, however long that takes. The question ends with the
   * signal's reason. @throws {TtunError}
   */
  askFor(offer: Offer, signal: AbortSignal): Promise<Agreement> {
    const request = (id: number): PlaneEvent => ({ kind: "offer", id, offer });
    const over = (id: number): PlaneEvent => ({
      ...{ kind: "offerOver", id, error: plainError(signal.reason) },
    });
    return this.#ask(this.#offers, request, signal, over);
  }

  async #ask<T>(
    waiting: Map<number, Waiting<T>>,
    request: (id: number) => PlaneEvent,
    signal: AbortSignal,
    over?: (id: number) => PlaneEvent,
  ): Promise<T> {
    signal.throwIfAborted();
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<T>();
    waiting.set(id, answer);
    try {
      this.report(request(id));
      using _registration = onAbort(signal, (reason) => {
        answer.reject(reason);
        if (over !== undefined) this.report(over(id));
      });
      return await answer.promise;
    } finally {
      waiting.delete(id);
    }
  }

  #fetch(): void {
    for (;;) {
      const found = receiveMessageOnPort(this.#port as never) as
        | { message: PlaneCommand<Start> }
        | undefined;
      if (found === undefined) return;
      this.#take(found.message);
    }
  }

  #take(command: PlaneCommand<Start>): void {
    switch (command.kind) {
      case "start":
        return this.#start.resolve(command.with);
      case "stop":
        this.#isEndedOnPurpose ||= command.onPurpose;
        return this.#stop.resolve();
      case "status":
        if (this.#tellStatus === null) this.#owesStatus = true;
        else this.#tellStatus();
        return;
      case "ask":
        return this.report({ kind: "alive" });
      case "live":
        return this.#tellLive?.();
      case "rules":
        return this.#rules.give(command.rules);
      case "keys":
        return this.#keys.give(command.keys);
      case "tunnels":
        return this.#tunnels.give(command.tunnels);
      case "resolved":
        return this.#requests.get(command.id)?.resolve([...command.addresses]);
      case "unresolved":
        return this.#requests.get(command.id)?.reject(errorFromPlain(command.error));
      case "secret":
        return this.#secrets.get(command.id)?.resolve(command.s);
      case "noSecret":
        return this.#secrets.get(command.id)?.reject(errorFromPlain(command.error));
      case "taken":
        return this.#requests.get(command.id)?.resolve([]);
      case "agreed":
        return this.#offers.get(command.id)?.resolve(command.agreement);
      case "disagreed":
        return this.#offers.get(command.id)?.reject(errorFromPlain(command.error));
      default:
        command satisfies never;
    }
  }
}

/** A value that may come before there is anybody to use it: the newest one is kept. */
class Latest<T> {
  #use: ((value: T) => void) | null = null;
  #kept: { readonly value: T } | null = null;

  on(use: (value: T) => void): void {
    this.#use = use;
    if (this.#kept !== null) use(this.#kept.value);
    this.#kept = null;
  }

  give(value: T): void {
    if (this.#use === null) this.#kept = { value };
    else this.#use(value);
  }
}
