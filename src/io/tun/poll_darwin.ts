import { check } from "../../../ffi/darwin/errno.ts";
import type { LibSystem } from "../../../ffi/darwin/libsystem.ts";
import { CallsInFlight } from "./calls_in_flight.ts";

/** These constants are of macOS's poll.h. */
export const POLLIN = 0x0001;
export const POLLOUT = 0x0004;
const POLLFD_SIZE = 8; // int fd, short events, short revents
const FOREVER = -1;

const ONE_BYTE = new Uint8Array(1);

/**
 * Waits on threads of Deno's pool. A byte written to a pipe ends all waits, later ones too as it is
 * never read; closing a polled descriptor ends none.
 */
export class Poller {
  readonly #lib: LibSystem;
  readonly #pipe: Int32Array<ArrayBuffer>;
  readonly #waits = new CallsInFlight();

  /** @throws {DarwinError} call `pipe`: EMFILE, ENFILE */
  constructor(lib: LibSystem) {
    this.#lib = lib;
    this.#pipe = new Int32Array(2);
    check("pipe", lib.pipe(new Uint8Array(this.#pipe.buffer)));
    try {
      for (const fd of this.#pipe) lib.makeNonBlocking(fd);
    } catch (error) {
      this.#closePipe();
      throw error;
    }
  }

  /** Resolves when one of `events` may have occurred or the poller was ended; then try the call. */
  async wait(fd: number, events: number): Promise<void> {
    const fds = new Uint8Array(2 * POLLFD_SIZE);
    const view = new DataView(fds.buffer);
    view.setInt32(0, fd, true);
    view.setInt16(4, events, true);
    view.setInt32(POLLFD_SIZE, this.#pipe[0]!, true);
    view.setInt16(POLLFD_SIZE + 4, POLLIN, true);
    // In practice a failure is EINTR, after which the caller tries again.
    await this.#waits.run(() => this.#lib.poll(fds, 2, FOREVER));
  }

  /** `free` runs when the last wait has returned and may close the descriptors. */
  end(free: () => void): void {
    this.#lib.write(this.#pipe[1]!, ONE_BYTE);
    this.#waits.close(() => {
      this.#closePipe();
      free();
    });
  }

  /** Resolves when the `free` of `end` has run. */
  get freed(): Promise<void> {
    return this.#waits.freed;
  }

  #closePipe(): void {
    for (const fd of this.#pipe) this.#lib.close(fd);
  }
}
