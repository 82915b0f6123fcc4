import { TtunError } from "../../base/errors.ts";
import {
  LayoutCursor,
  MAX_PACKET,
  Offload,
  type PacketLayout,
  type Packets,
} from "../../contract/batch.ts";
import type { OnReady } from "../../contract/stream.ts";
import { onAbort } from "../../base/scope.ts";
import { INFINITE, WAIT_FAILED, WindowsCode, WindowsError } from "../../../ffi/windows/kernel32.ts";
import { lastError, startSession, type WintunSession } from "../../../ffi/windows/tun.ts";
import { openWintun, type Wintun, wintunPaths } from "../../../ffi/windows/wintun.ts";
import type { TunDevice } from "./linux.ts";
import { CallsInFlight } from "./calls_in_flight.ts";

/**
 * Opens `name`, or creates the first free `ttunN`. `wintun` is the DLL's path if it is not next to
 * the program.
 * @throws {TtunError} privilege, system, in_use, usage: with advice
 */
export function openWindowsDevice(
  o: {
    name: string | undefined;
    mtu: number;
    signal: AbortSignal;
    wintun?: string | undefined;
  },
  openLib: () => Wintun = () => openWintun(wintunPaths(o.wintun, Deno.execPath())),
): TunDevice {
  o.signal.throwIfAborted();
  requireName(o.name);
  using opened = new DisposableStack();
  try {
    const lib = opened.use(openLib());
    const session = opened.use(startSession(lib, o.name));
    const device = new WindowsTun(lib, session, o);
    opened.move(); // the device now owns both
    return device;
  } catch (thrown) {
    throw thrown instanceof WindowsError ? openError(thrown, o.name) : thrown;
  }
}

/** Accepts only names that netsh takes as one word without a special meaning. */
function requireName(name: string | undefined): void {
  if (name === undefined || /^[a-z][\w.-]*$/i.test(name)) return;
  throw new TtunError(
    "usage",
    `Cannot name a device ${JSON.stringify(name)}: ` +
      "on Windows use a letter, then letters, digits, dots and dashes, as ttun0",
  );
}

function openError(error: WindowsError, name: string | undefined): TtunError {
  const cause = { cause: error };
  if (error.code === WindowsCode.ERROR_ACCESS_DENIED) {
    return new TtunError(
      "privilege",
      "Cannot open a TUN device: only an administrator can; run ttun as administrator",
      cause,
    );
  }
  if (error.code === WindowsCode.ERROR_ALREADY_INITIALIZED) {
    return new TtunError(
      "in_use",
      `Cannot open the TUN device ${name ?? "that was made"}: another program has it; ` +
        "end that or choose another with --device",
      cause,
    );
  }
  const hint = error.code === WindowsCode.ERROR_SUCCESS
    ? "; if ttun does not run as administrator, that is why"
    : "";
  return new TtunError("system", `Cannot open a TUN device: ${error.message}${hint}`, cause);
}

class WindowsTun implements TunDevice {
  readonly name: string;
  readonly mtu: number;
  readonly persistent: boolean;
  readonly headroom = 0;
  readonly takes = Offload.none;
  refused = 0;
  readonly #lib: Wintun;
  readonly #session: WintunSession;
  readonly #waits = new CallsInFlight();
  readonly #registration: Disposable;
  readonly #handles: Uint8Array<ArrayBuffer>;
  readonly #size = new Uint32Array(1);
  readonly #sizeBytes = new Uint8Array(this.#size.buffer);
  #closed: { reason: unknown } | null = null;
  #waitFailed = false;

  constructor(
    lib: Wintun,
    session: WintunSession,
    o: { mtu: number; signal: AbortSignal },
  ) {
    this.#lib = lib;
    this.#session = session;
    this.name = session.name;
    this.persistent = session.persistent;
    this.mtu = o.mtu;
    const handles = new BigUint64Array([session.readEvent, session.stopEvent]);
    this.#handles = new Uint8Array(handles.buffer);
    this.#registration = onAbort(o.signal, (reason) => this.#close(reason));
  }

  setOffload(_mask: number): void {
    this.#check();
  }

  onReadable(run: OnReady): void {
    this.#check();
    this.#waitReadable().then(run, () => {
      this.#waitFailed = true;
      run();
    });
  }

  async #waitReadable(): Promise<void> {
    const { WaitForMultipleObjects } = this.#lib.kernel32;
    const which = await this.#waits.run(() =>
      WaitForMultipleObjects(2, this.#handles, 0, INFINITE)
    );
    if (which === WAIT_FAILED) this.#waitFailed = true;
  }

  /** Reads until the ring is empty or the batch is full, laid out by `layout`. */
  readNow(into: Packets, layout: PacketLayout): number {
    this.#check();
    if (this.#waitFailed) throw this.#lost(new WindowsError("WaitForMultipleObjects", 0));
    const { copyFrom } = this.#lib.kernel32;
    const bytes = into.bytes as Uint8Array<ArrayBuffer>;
    const last = bytes.length - layout.groupTailroom - layout.tailroom - MAX_PACKET;
    if (layout.groupHeadroom + layout.headroom > last) {
      throw new TtunError("internal", `Cannot read ${this.name}: no room for a packet`);
    }
    const most = into.offset.length;
    let count = 0;
    for (const cursor = new LayoutCursor(layout); count < most && cursor.at <= last;) {
      const packet = this.#receive(count > 0);
      if (packet === 0n) break;
      const { at } = cursor;
      const length = this.#size[0]!;
      copyFrom(bytes.subarray(at, at + length), packet, BigInt(length));
      this.#release(packet);
      into.offset[count] = at;
      into.length[count] = length;
      into.hasHeader[count] = 0;
      count++;
      cursor.next(length);
    }
    into.count = count;
    return count;
  }

  /**
   * Returns an address in the ring and sets `#size`; 0 if it is empty. With `later`, a removed
   * device is reported by the next read.
   */
  #receive(later: boolean): bigint {
    const packet = this.#lib.wintun.WintunReceivePacket(this.#session.session, this.#sizeBytes);
    if (packet !== 0n) return packet;
    const code = lastError(this.#lib);
    const none = code === WindowsCode.ERROR_NO_MORE_ITEMS || code === WindowsCode.ERROR_SUCCESS;
    if (none || later) return 0n;
    throw this.#lost(new WindowsError("WintunReceivePacket", code));
  }

  #release(packet: bigint): void {
    this.#lib.wintun.WintunReleaseReceivePacket(this.#session.session, packet);
  }

  /** Never blocks: if the ring is full, packets are dropped and counted, as on any network. */
  writeBatch(from: Packets): void {
    this.#check();
    const { wintun, kernel32 } = this.#lib;
    const { session } = this.#session;
    const bytes = from.bytes as Uint8Array<ArrayBuffer>;
    for (let i = 0; i < from.count; i++) {
      const at = from.offset[i]!;
      const length = from.length[i]!;
      const version = length === 0 ? 0 : bytes[at]! >>> 4;
      if ((version !== 4 && version !== 6) || length > MAX_PACKET) {
        this.refused++;
        continue;
      }
      const packet = wintun.WintunAllocateSendPacket(session, length);
      if (packet === 0n) {
        const code = lastError(this.#lib);
        if (code === WindowsCode.ERROR_HANDLE_EOF) {
          throw this.#lost(new WindowsError("WintunAllocateSendPacket", code));
        }
        this.refused++; // ERROR_BUFFER_OVERFLOW: the ring is full
        continue;
      }
      kernel32.copyTo(packet, bytes.subarray(at, at + length), BigInt(length));
      wintun.WintunSendPacket(session, packet);
    }
  }

  drain(): number {
    this.#check();
    let dropped = 0;
    for (; dropped < DRAIN_MOST; dropped++) {
      const packet = this.#receive(true);
      if (packet === 0n) break;
      this.#release(packet);
    }
    return dropped;
  }

  #lost(cause: WindowsError): TtunError {
    const how = cause.code === WindowsCode.ERROR_INVALID_DATA
      ? "its ring is corrupt"
      : "it was removed";
    return new TtunError("system", `Lost the TUN device ${this.name}: ${how}`, { cause });
  }

  #check(): void {
    if (this.#closed !== null) throw this.#closed.reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(new TtunError("lost", `Cannot use ${this.name}: the device has been closed`));
    await this.#waits.freed;
  }

  #close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#registration[Symbol.dispose]();
    this.#lib.kernel32.SetEvent(this.#session.stopEvent);
    this.#waits.close(() => {
      this.#session[Symbol.dispose]();
      this.#lib[Symbol.dispose]();
    });
  }
}

/** Packets to drain: more than the ring usually holds, but bounded if it is refilled. */
const DRAIN_MOST = 100_000;
