import { DARWIN_LIBC, LINUX_LIBC, openLibrary } from "../library.ts";

/** Layout of struct sigaction and constants (signal.h); sizes and offsets in bytes. */
export interface SignalLayout {
  readonly size: number;
  readonly flagsAt: number;
  readonly SA_RESTART: number;
  readonly SIGUSR1: number;
}

/** glibc and musl, 64-bit: `void (*handler)(int)`, a mask of 128 bytes, `int flags`, a pointer. */
const LINUX: SignalLayout = { size: 152, flagsAt: 136, SA_RESTART: 0x1000_0000, SIGUSR1: 10 };

/** macOS: `void (*handler)(int)`, a mask of 32 bits, `int flags`. */
const DARWIN: SignalLayout = { size: 16, flagsAt: 12, SA_RESTART: 2, SIGUSR1: 30 };

const SIG_IGN = 1n;

export interface SignalCalls {
  sigaction(
    signal: number,
    action: Uint8Array<ArrayBuffer> | null,
    old: Uint8Array<ArrayBuffer> | null,
  ): number;
  readonly sigignore: bigint;
}

/**
 * Takes over a signal and detects it. JavaScript cannot run in a signal handler, so the handler is
 * the C library's `sigignore`: the first signal makes the kernel ignore further ones; `check` sees
 * that and installs it again. A program started between the two inherits the signal as ignored;
 * otherwise it has the default action as usual.
 */
export class TakenSignal {
  readonly #calls: SignalCalls;
  readonly #signal: number;
  readonly #action: Uint8Array<ArrayBuffer>;
  readonly #found: Uint8Array<ArrayBuffer>;

  /** @throws {Error} if the system refuses */
  constructor(calls: SignalCalls, layout: SignalLayout) {
    this.#calls = calls;
    this.#signal = layout.SIGUSR1;
    this.#action = new Uint8Array(layout.size);
    this.#found = new Uint8Array(layout.size);
    const view = new DataView(this.#action.buffer);
    view.setBigUint64(0, calls.sigignore, true);
    view.setUint32(layout.flagsAt, layout.SA_RESTART, true);
    this.#call(this.#action, null);
    if (this.#handler() !== calls.sigignore) throw new Error("sigaction() changed nothing");
  }

  /** Returns `stolen` if other code has its handler there; puts ours back unless `quiet`. */
  check(): "quiet" | "came" | "stolen" {
    const handler = this.#handler();
    if (handler === this.#calls.sigignore) return "quiet";
    this.#call(this.#action, null);
    return handler === SIG_IGN ? "came" : "stolen";
  }

  #handler(): bigint {
    this.#call(null, this.#found);
    return new DataView(this.#found.buffer).getBigUint64(0, true);
  }

  #call(action: Uint8Array<ArrayBuffer> | null, old: Uint8Array<ArrayBuffer> | null): void {
    if (this.#calls.sigaction(this.#signal, action, old) !== 0) {
      throw new Error("sigaction() was refused");
    }
  }
}

/**
 * Takes it for the rest of the process; the library stays open because the kernel holds its
 * function's address.
 * @throws {Error} if the system has no such call
 */
export function takeUsr1(): TakenSignal {
  const isLinux = Deno.build.os === "linux";
  const { symbols } = openLibrary(isLinux ? LINUX_LIBC : DARWIN_LIBC, {
    sigaction: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    sigignore: { type: "pointer" },
  });
  const { sigaction, sigignore } = symbols;
  return new TakenSignal(
    { sigaction, sigignore: Deno.UnsafePointer.value(sigignore) },
    isLinux ? LINUX : DARWIN,
  );
}
