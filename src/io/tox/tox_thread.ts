import { receiveMessageOnPort } from "node:worker_threads";
import { errorFromPlain, TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import { check } from "../../../ffi/native.ts";
import type { ToxSettings } from "../../../ffi/tox/tox_types.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { RecordRing, ringMemory } from "./record_ring.ts";
import { RemoteTox } from "./remote_tox.ts";
import {
  FLAG,
  FLAG_BYTES,
  type ToxOpened,
  type ToxThreadFacts,
  type ToxWorkerInit,
} from "./thread_start.ts";

/** Milliseconds until the instance is there. */
const OPENS_MS = 10_000;
/** Milliseconds until the thread has ended. */
const STOP_MS = 600;

/** Bytes of the rings. */
const COMMANDS = 512 * 1024;
const REPORTS = 1024 * 1024;

/** Constants of sys/eventfd.h. */
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

export interface ToxThreadOptions {
  /** The loop of this thread; null = Deno's own. */
  readonly reactor: Reactor | null;
  readonly clock: Clock;
  /** Path of the running program (ffi/tox/toxcore.ts). */
  readonly program: string;
  readonly settings: ToxSettings;
}

/**
 * An instance of libtoxcore in a thread of its own: an iteration of the library reads all datagrams
 * that there are, for as long as it takes (docs/decisions/tox-thread.md).
 */
export class ToxThread implements AsyncDisposable {
  readonly facts: ToxThreadFacts;
  readonly node: RemoteTox;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #reactor: Reactor | null;
  readonly #clock: Clock;
  readonly #flags = new Int32Array(new SharedArrayBuffer(FLAG_BYTES));
  #wake: Descriptor | null = null;

  /**
   * Waits in this thread until the instance is there. Its code is loaded with the permissions that
   * this thread has now. @throws {TtunError}
   */
  constructor({ reactor, clock, program, settings }: ToxThreadOptions) {
    this.#reactor = reactor?.mode === "blocking" ? reactor : null;
    this.#clock = clock;
    const wakeFd = this.#openWake();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(new URL("./tox_worker.ts", import.meta.url), { type: "module" });
    let node: RemoteTox | null = null;
    this.#worker.onerror = (event) => {
      event.preventDefault();
      node?.fail(new TtunError("internal", `Tox's thread has failed: ${event.message}`));
    };
    const [commands, reports] = [ringMemory(COMMANDS), ringMemory(REPORTS)];
    const flags = this.#flags.buffer as SharedArrayBuffer;
    const init: ToxWorkerInit = {
      ...{ port: port2, wakeFd, flags, commands, reports, program, settings },
    };
    this.#worker.postMessage(init, [port2]);
    try {
      this.facts = this.#awaitOpened();
    } catch (error) {
      this.#close();
      throw error;
    }
    this.node = node = new RemoteTox({
      sizes: this.facts.sizes,
      commands: new RecordRing(commands),
      reports: new RecordRing(reports),
      clock,
      wake: () => {
        Atomics.add(this.#flags, FLAG.commands, 1);
        Atomics.notify(this.#flags, FLAG.commands);
      },
    });
    if (wakeFd === null) port1.onmessage = () => this.#read();
  }

  /** @throws {TtunError} */
  #awaitOpened(): ToxThreadFacts {
    Atomics.wait(this.#flags, FLAG.opened, 0, OPENS_MS);
    const found = receiveMessageOnPort(this.#port as never) as
      | { readonly message: ToxOpened }
      | undefined;
    if (found === undefined) {
      throw new TtunError("timeout", "Cannot start Tox: its thread does not answer; try again");
    }
    if ("error" in found.message) throw errorFromPlain(found.message.error);
    return found.message.facts;
  }

  /** Returns the descriptor that the other thread writes to; null = messages arrive by themselves. */
  #openWake(): number | null {
    const reactor = this.#reactor;
    if (reactor === null) return null;
    const fd = check("eventfd", reactor.libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    this.#wake = reactor.own(fd, new AbortController().signal);
    this.#wake.onReadable(this.#onWake);
    return fd;
  }

  readonly #onWake = (): void => {
    const wake = this.#wake!;
    if (wake.closed) return;
    this.#reactor!.libc.read(wake.fd, new Uint8Array(8));
    wake.onReadable(this.#onWake);
    this.#read();
  };

  /** Whatever comes after the flag was taken back is told again. */
  #read(): void {
    Atomics.store(this.#flags, FLAG.told, 0);
    this.node.read();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.node[Symbol.dispose]();
    const late = Promise.withResolvers<void>();
    using _timer = this.#clock.after(STOP_MS, late.resolve);
    await Promise.race([this.node.stopped, late.promise]);
    this.#close();
  }

  #close(): void {
    this.#worker.terminate();
    this.#port.close();
    this.#wake?.close(() => new TtunError("lost", "Tox has been closed"));
  }
}
