import {
  type NetChange,
  openNetlinkMonitor,
  readNetChanges,
} from "../../../ffi/linux/netlink_monitor.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";

/** Delay of notifications in milliseconds: one command removes several things in turn. */
const SETTLE_MS = 50;

const READ_MOST = 64;

interface Listener {
  readonly concerns: (change: NetChange) => boolean;
  readonly run: () => void;
  isDue: boolean;
}

/** Reports changes of links, addresses and routes (ffi/linux/netlink_monitor.ts). */
export class NetworkWatch implements Disposable {
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #listeners = new Set<Listener>();
  #timer: Disposable | null = null;

  /** @throws {NativeError} if no netlink socket can be opened */
  constructor(reactor: Reactor) {
    this.#reactor = reactor;
    const fd = openNetlinkMonitor(reactor.libc);
    this.#descriptor = reactor.own(fd, new AbortController().signal);
    this.#read();
  }

  /**
   * Calls `run` once for a burst of changes that `concerns` accepts, and whenever notifications
   * were lost. Listeners are called in the order of registration.
   */
  onChange(concerns: (change: NetChange) => boolean, run: () => void): Disposable {
    const listener: Listener = { concerns, run, isDue: false };
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  readonly #read = (): boolean => {
    if (this.#descriptor.closed) return true;
    for (let left = READ_MOST; left > 0; left--) {
      const changes = readNetChanges(this.#reactor.libc, this.#descriptor.fd);
      if (changes === null) {
        this.#descriptor.onReadable(this.#read);
        return true;
      }
      this.#mark(changes);
    }
    this.#reactor.onTurn(this.#read);
    return true;
  };

  #mark(changes: NetChange[] | "lost"): void {
    for (const listener of this.#listeners) {
      if (listener.isDue) continue;
      if (changes === "lost" || changes.some(listener.concerns)) listener.isDue = true;
      if (listener.isDue) this.#timer ??= this.#reactor.after(SETTLE_MS, this.#tell);
    }
  }

  readonly #tell = (): void => {
    this.#timer = null;
    for (const listener of this.#listeners) {
      if (!listener.isDue) continue;
      listener.isDue = false;
      listener.run();
    }
  };

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#listeners.clear();
    this.#descriptor.close(() => new Error("The network is not watched any more"));
  }
}
