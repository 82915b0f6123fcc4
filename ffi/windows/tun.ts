import { wideString, WindowsCode, WindowsError } from "./kernel32.ts";
import type { Wintun } from "./wintun.ts";

/** Bytes of each ring: a power of two from 128 KiB to 64 MiB (wintun.h). */
const RING_CAPACITY = 0x40_0000;
const TUNNEL_TYPE = "ttun";
const MOST_ADAPTERS = 1000;

/** Packet rings that an adapter shares with the driver. */
export interface WintunSession extends Disposable {
  readonly name: string;
  /** The adapter was there before and stays when the session ends. */
  readonly persistent: boolean;
  readonly session: bigint;
  /** An auto-reset event that is set when packets have arrived. */
  readonly readEvent: bigint;
  /** A manual-reset event of ttun's own that ends a wait and stays set. */
  readonly stopEvent: bigint;
}

/**
 * Opens or creates the adapter `name`, or creates the first free `ttunN`. Dispose removes it if it
 * was created here; no wait may be in progress then.
 * @throws {WindowsError} call `WintunCreateAdapter`: ERROR_ACCESS_DENIED (not an administrator);
 * call `WintunStartSession`: ERROR_ALREADY_INITIALIZED (another program has a session)
 */
export function startSession(lib: Wintun, name: string | undefined): WintunSession {
  const { wintun, kernel32 } = lib;
  using opened = new DisposableStack();
  const adapter = name === undefined ? firstFree(lib) : openOrCreate(lib, name);
  opened.defer(() => wintun.WintunCloseAdapter(adapter.handle));
  const stopEvent = check(lib, "CreateEventW", kernel32.CreateEventW(0n, 1, 0, 0n));
  opened.defer(() => void kernel32.CloseHandle(stopEvent));
  const session = check(
    lib,
    "WintunStartSession",
    wintun.WintunStartSession(adapter.handle, RING_CAPACITY),
  );
  opened.defer(() => wintun.WintunEndSession(session));
  const readEvent = check(lib, "WintunGetReadWaitEvent", wintun.WintunGetReadWaitEvent(session));
  const all = opened.move();
  return {
    name: adapter.name,
    persistent: adapter.persistent,
    session,
    readEvent,
    stopEvent,
    [Symbol.dispose]: () => all.dispose(),
  };
}

interface Adapter {
  readonly name: string;
  readonly handle: bigint;
  readonly persistent: boolean;
}

function openOrCreate(lib: Wintun, name: string): Adapter {
  const handle = lib.wintun.WintunOpenAdapter(wideString(name));
  return handle === 0n ? create(lib, name) : { name, handle, persistent: true };
}

function firstFree(lib: Wintun): Adapter {
  for (let i = 0; i < MOST_ADAPTERS; i++) {
    const name = `ttun${i}`;
    const there = lib.wintun.WintunOpenAdapter(wideString(name));
    if (there === 0n) return create(lib, name);
    lib.wintun.WintunCloseAdapter(there);
  }
  throw new WindowsError("WintunCreateAdapter", WindowsCode.ERROR_ALREADY_EXISTS);
}

function create(lib: Wintun, name: string): Adapter {
  const handle = check(
    lib,
    "WintunCreateAdapter",
    lib.wintun.WintunCreateAdapter(wideString(name), wideString(TUNNEL_TYPE), 0n),
  );
  return { name, handle, persistent: false };
}

/**
 * Valid right after a call has returned NULL. Deno and V8 may call Windows in between, and some
 * functions reset the code to 0 (such as TlsGetValue): callers must treat 0 as unknown, and their
 * reaction to it must be harmless.
 */
export function lastError(lib: Wintun): number {
  return lib.kernel32.GetLastError();
}

function check(lib: Wintun, call: string, result: bigint): bigint {
  if (result === 0n) throw new WindowsError(call, lastError(lib));
  return result;
}
