import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { connectNotify, notify } from "../../../ffi/linux/notify_socket.ts";
import type { Logger } from "../../base/log.ts";

/** The service manager that has started this process, systemd most often (sd_notify(3)). */
export class ServiceManager implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;

  /** Owns both. */
  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** Tells it a state, such as READY=1; nobody waits for it where it cannot be told. */
  readonly tell = (state: string): void => void notify(this.#libc, this.#fd, state);

  [Symbol.dispose](): void {
    this.#libc.close(this.#fd);
    this.#libc[Symbol.dispose]();
  }
}

/** Connects to its socket; null if that is not there. */
export function connectManager(path: string, log: Logger): ServiceManager | null {
  using opened = new DisposableStack();
  try {
    const libc = opened.use(openLibc());
    const manager = new ServiceManager(libc, connectNotify(libc, path));
    opened.move();
    return manager;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    log.warn("Cannot tell the service manager that ttun is ready", { why: error.message });
    return null;
  }
}
