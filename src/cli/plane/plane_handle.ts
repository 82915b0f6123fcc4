import type { Agreement } from "../../app/transfer/receive_files.ts";
import type { NamedKey } from "../../base/named_key.ts";
import { WAKE } from "../../../ffi/linux/epoll.ts";
import type { ControlLibc } from "../../../ffi/linux/libc.ts";
import { releaseRuntimePages } from "../../../ffi/linux/runtime_pages.ts";
import { errorFromPlain, plainError, toTtunError, TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { LiveDisplay, RunContext } from "../command/context.ts";
import type { PlaneConfig } from "./kinds.ts";
import { load } from "./load.ts";
import type { PlaneCommand, PlaneEvent, PlaneRules, WorkerInit } from "./messages.ts";
import { resolveHost } from "../platform/resolve.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import type { TunnelConfig } from "../gateway/plane_config.ts";
import type { Offer } from "../transfer/offer.ts";

/** Milliseconds for the data plane to end before it is left behind. */
const STOP_MS = 900;

/** Milliseconds in which a tunnel has come up, and the data plane has warmed its code. */
const SETTLE_MS = 3000;

/** Never called: it makes the Worker's file a dependency for `deno cache` and `deno install`. */
export const planeModule: () => Promise<unknown> = () => import("../data_plane.ts");

export interface PlaneLife<Facts, Start> {
  /** Called when everything is open. Returns the content of the command to start. */
  prepare(facts: Facts): Promise<Start>;
  /** Called at the end if `prepare` was called, even if that failed. */
  afterwards?(facts: Facts): Promise<void>;
  /** Called once, by clients. An error ends the data plane. */
  up?(): Promise<void>;
  reportV2?(): Promise<void>;
  serverAddress?(address: string): Promise<void>;
  /** Returns the secret of version 2 of a key, if that is worked out already. */
  secretOf?(key: Uint8Array): Promise<Uint8Array> | null;
  /** A client has used this key, of several. */
  keyUsed?(key: Uint8Array): void;
  /** Uses the addresses of a client's session, which waits. An error ends the data plane. */
  addresses?(addresses: readonly string[]): Promise<void>;
  leases?(leases: readonly Lease[]): void;
  /** An error ends the data plane. */
  print?(line: string, isProgress: boolean): void;
  /**
   * Asks the user for files that a sender offers, which wait, until the signal aborts. An error goes
   * to the data plane.
   */
  agree?(offer: Offer, signal: AbortSignal): Promise<Agreement>;
}

/**
 * The main thread's side of the data plane: starts its Worker, answers it, and ends it when the
 * signal aborts. `Start` is the reply to `Facts` (messages.ts).
 */
export class PlaneHandle<Facts extends object, Start> implements AsyncDisposable {
  readonly #context: RunContext;
  readonly #libc: ControlLibc | null;
  readonly #stopMs: number;
  /** Null = it runs in this thread. */
  readonly #worker: Worker | null;
  readonly #port: MessagePort;
  #wakeFd: number | null = null;
  /** End questions of the data plane's. */
  readonly #offers = new Map<number, AbortController>();
  #alive = Promise.withResolvers<void>();
  #life: Omit<PlaneLife<Facts, Start>, "prepare"> = {};
  readonly #ready = Promise.withResolvers<Facts>();
  /** The data plane's end; null = no failure. */
  readonly #ended = Promise.withResolvers<TtunError | null>();
  /** Failures in the main thread, which must end the data plane. */
  readonly #failed = Promise.withResolvers<TtunError>();
  #stopped: Promise<TtunError | null> | null = null;
  #live: LiveDisplay | undefined;

  /**
   * `libc` wakes a data plane whose loop blocks; null if none does. `stopMs`: milliseconds for it to
   * end. `isHere`: it runs in this thread, which saves the memory of a Worker, where all that it does
   * is Deno's own loop's. `entry`: for tests.
   */
  constructor(
    config: PlaneConfig,
    o: {
      libc: ControlLibc | null;
      context: RunContext;
      stopMs?: number;
      isHere?: boolean;
      entry?: URL;
    },
  ) {
    this.#libc = o.libc;
    this.#stopMs = o.stopMs ?? STOP_MS;
    this.#context = o.context;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = (message) => this.#take(message.data as PlaneEvent<Facts>);
    const { logLevel } = this.#context;
    const init: WorkerInit<PlaneConfig> = { config, port: port2, logLevel };
    if (o.isHere === true) {
      this.#worker = null;
      this.#runHere(init).catch((error) => this.#ended.resolve(toTtunError(error)));
      return;
    }
    const entry = o.entry ?? new URL("../data_plane.ts", import.meta.url);
    this.#worker = new Worker(entry, { type: "module" });
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#ended.resolve(toTtunError(event.error ?? new Error(event.message)));
    };
    this.#worker.postMessage(init, [port2]);
  }

  async #runHere(init: WorkerInit<PlaneConfig>): Promise<void> {
    const { runToEnd, runKind } = await load(() => import("./here.ts"));
    await runToEnd(init, (config, host) => runKind(config.kind, config, host));
  }

  /**
   * Returns when it has stopped as asked.
   * @throws {TtunError} the failure that ended it or that came while it stopped, or an error of
   * `life`
   */
  async run(life: PlaneLife<Facts, Start>): Promise<void> {
    this.#life = life;
    using _stop = onAbort(this.#context.signal, () => this.#commandStop());
    using _status = this.#context.onStatus(() => this.#command({ kind: "status" }));
    using _watched = this.#context.onWatchdog?.(() => this.#answer());
    const first = await this.#orStopped(Promise.race([this.#ready.promise, this.#ended.promise]));
    if (first instanceof TtunError) throw first;
    let late: TtunError | null;
    if (first === null) {
      late = await this.#stop();
    } else {
      this.#context.begin?.();
      try {
        await this.#runReady(first, life);
      } catch (error) {
        const end = await this.#stop();
        if (end !== null && end !== error) this.#context.log.error(end.message, { kind: end.kind });
        throw error;
      } finally {
        late = await this.#stop();
        await life.afterwards?.(first);
      }
    }
    if (late !== null) throw late;
  }

  /** Lets clients connect and listen by other rules from now on. */
  readonly replaceRules = (rules: PlaneRules): void => this.#command({ kind: "rules", rules });

  /** Has a server of several keys take these alone from now on. */
  readonly replaceKeys = (keys: readonly NamedKey[]): void => this.#command({ kind: "keys", keys });

  /** Has an agent publish these alone from now on. */
  readonly replaceTunnels = (tunnels: readonly TunnelConfig[]): void =>
    this.#command({ kind: "tunnels", tunnels });

  async #runReady(facts: Facts, life: PlaneLife<Facts, Start>): Promise<void> {
    const start = await this.#orStopped(life.prepare(facts).then((value) => ({ value })));
    if (start === null || this.#context.signal.aborted) return;
    this.#command({ kind: "start", with: start.value });
    using _settling = this.#releaseLater();
    using live = this.#context.live?.(() => this.#command({ kind: "live" }));
    this.#live = live;
    const failure = await this.#orStopped(
      Promise.race([this.#ended.promise, this.#failed.promise]),
    );
    if (failure !== null) throw failure;
  }

  #releaseLater(): Disposable {
    const timer = setTimeout(() => {
      try {
        if (this.#libc === null) return;
        releaseRuntimePages(this.#libc);
        this.#libc.mallocTrim();
      } catch (error) {
        this.#context.log.debug(`Memory of the start stays taken: ${toTtunError(error).message}`);
      }
    }, SETTLE_MS);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** Returns null if ttun is told to stop before. */
  async #orStopped<T>(outcome: Promise<T>): Promise<T | null> {
    const { promise: stopped, resolve } = Promise.withResolvers<null>();
    using _registration = onAbort(this.#context.signal, () => resolve(null));
    return await Promise.race([outcome, stopped]);
  }

  /** Lets it close what it has opened, for a limited time. Returns its failure, if any. */
  #stop(): Promise<TtunError | null> {
    return this.#stopped ??= this.#stopNow();
  }

  async #stopNow(): Promise<TtunError | null> {
    this.#commandStop();
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const timer = setTimeout(() => resolve("late"), this.#stopMs);
    const end = await Promise.race([this.#ended.promise, late]);
    clearTimeout(timer);
    if (end !== "late") return end;
    this.#context.log.warn("the data plane does not stop: it is left behind");
    return null;
  }

  #take(event: PlaneEvent<Facts>): void {
    switch (event.kind) {
      case "listening":
        this.#wakeFd = event.wakeFd;
        if (this.#context.signal.aborted) this.#commandStop();
        return;
      case "log":
        return this.#context.printRecord(event.record);
      case "ready":
        return this.#ready.resolve(event.facts);
      case "resolve":
        return void this.#resolve(event.id, event.host); // a failure goes to the data plane
      case "derive":
        return void this.#derive(event.id, event.key); // a failure goes there as well
      case "keyUsed":
        return this.#life.keyUsed?.(event.key);
      case "alive":
        return this.#alive.resolve();
      case "up":
        return void this.#life.up?.().catch(this.#fail);
      case "reportV2":
        return void this.#life.reportV2?.().catch(this.#fail);
      case "serverAddress":
        return void this.#life.serverAddress?.(event.address).catch(this.#fail);
      case "addresses":
        return void this.#takeAddresses(event.id, event.addresses).catch(this.#fail);
      case "offer":
        return void this.#agree(event.id, event.offer); // a failure goes to the data plane
      case "offerOver":
        return this.#offers.get(event.id)?.abort(errorFromPlain(event.error));
      case "print":
        return this.#print(event.line, event.isProgress);
      case "live":
        return this.#live?.take(event.sample);
      case "leases":
        return this.#life.leases?.(event.leases);
      case "ended":
        this.#wakeFd = null; // closed by the data plane: the number may be reused by now
        return this.#ended.resolve(event.error === null ? null : errorFromPlain(event.error));
      default:
        event satisfies never;
    }
  }

  /** Resolves when the data plane's loop has turned, or has ended. */
  async #answer(): Promise<void> {
    this.#alive = Promise.withResolvers();
    this.#command({ kind: "ask" });
    await Promise.race([this.#alive.promise, this.#ended.promise]);
  }

  async #takeAddresses(id: number, addresses: readonly string[]): Promise<void> {
    await this.#life.addresses?.(addresses);
    this.#command({ kind: "taken", id });
  }

  #print(line: string, isProgress: boolean): void {
    try {
      this.#life.print?.(line, isProgress);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #agree(id: number, offer: Offer): Promise<void> {
    const over = new AbortController();
    this.#offers.set(id, over);
    try {
      const agreement = await this.#life.agree!(offer, over.signal);
      this.#command({ kind: "agreed", id, agreement });
    } catch (error) {
      this.#command({ kind: "disagreed", id, error: plainError(error) });
    }
    this.#offers.delete(id);
  }

  readonly #fail = (error: unknown): void => this.#failed.resolve(toTtunError(error));

  async #resolve(id: number, host: string): Promise<void> {
    try {
      this.#command({ kind: "resolved", id, addresses: await resolveHost(host) });
    } catch (error) {
      this.#command({ kind: "unresolved", id, error: plainError(error) });
    }
  }

  async #derive(id: number, key: Uint8Array): Promise<void> {
    try {
      this.#command({
        kind: "secret",
        id,
        s: await (this.#life.secretOf?.(key) ?? linkSecret(key)),
      });
    } catch (error) {
      this.#command({ kind: "noSecret", id, error: plainError(error) });
    }
  }

  #commandStop(): void {
    this.#command({ kind: "stop", onPurpose: this.#context.signal.aborted });
  }

  #command(command: PlaneCommand<Start>): void {
    this.#port.postMessage(command);
    if (this.#wakeFd !== null) this.#libc?.write(this.#wakeFd, WAKE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    this.#port.close();
    this.#worker?.terminate();
  }
}
