import { openFilterMonitor, skipChange } from "../../../ffi/linux/netlink_monitor.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";

/** Milliseconds between two calls: a packet filter is often changed in many steps. */
const PAUSE_MS = 250;

/** Reports changes of nftables, at once, and again after a pause if there were more meanwhile. */
export class FilterWatch implements Disposable {
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #run: () => void;
  #pause: Disposable | null = null;
  #isDue = false;

  /** @throws {NativeError} EPERM without CAP_NET_ADMIN; a kernel without nftables */
  constructor(reactor: Reactor, run: () => void) {
    this.#reactor = reactor;
    this.#run = run;
    const fd = openFilterMonitor(reactor.libc);
    this.#descriptor = reactor.own(fd, new AbortController().signal);
    this.#descriptor.onReadable(this.#read);
  }

  readonly #read = (): boolean => {
    if (this.#descriptor.closed) return true;
    while (skipChange(this.#reactor.libc, this.#descriptor.fd)) this.#isDue = true;
    this.#descriptor.onReadable(this.#read);
    if (this.#pause === null) this.#tell();
    return true;
  };

  readonly #tell = (): void => {
    this.#pause = null;
    if (!this.#isDue) return;
    this.#isDue = false;
    this.#pause = this.#reactor.after(PAUSE_MS, this.#tell);
    this.#run();
  };

  [Symbol.dispose](): void {
    this.#pause?.[Symbol.dispose]();
    this.#descriptor.close(() => new Error("The packet filter is not watched any more"));
  }
}
