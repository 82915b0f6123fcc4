import { TtunError } from "../../src/base/errors.ts";
import { WindowsCode } from "../../ffi/windows/kernel32.ts";
import type { Wintun } from "../../ffi/windows/wintun.ts";

/** The part of Windows that Wintun needs: handles, memory, a ring each way, errors on demand. */
export class FakeWindows {
  /** Calls that fail next, each with what GetLastError says then; a wait with -1 cannot be made. */
  readonly failing = new Map<string, number>();
  /** Packets that the machine received. */
  readonly written: Uint8Array[] = [];
  /** Handles that are open, and what they are. */
  readonly open = new Map<bigint, string>();
  /** Names of the adapters that other programs have. */
  readonly others = new Set<string>();
  readonly created: { name: string; type: string; capacity: number }[] = [];
  /** Things that were closed, in order. */
  readonly closings: string[] = [];
  /** GetLastError gives 0, as after a call of the runtime's own. */
  forgetful = false;
  /** Packets that the ring to the machine has room for. */
  room = Infinity;
  removed = false;
  closed = false;
  /** Packets lent to the reader and not released. */
  lent = 0;
  readonly #queue: Uint8Array[] = [];
  readonly #memory = new Map<bigint, Uint8Array>();
  readonly #set = new Set<bigint>();
  readonly #waiting = new Set<() => void>();
  #readEvent = 0n;
  #next = 0x100n;
  #lastError = 0;

  readonly lib: Wintun = this.#makeLib();

  inject(packet: Uint8Array): void {
    this.#queue.push(packet.slice());
    this.#signal(this.#readEvent);
  }

  remove(): void {
    this.removed = true;
    this.#signal(this.#readEvent);
  }

  #signal(event: bigint): void {
    this.#set.add(event);
    for (const look of [...this.#waiting]) look();
  }

  #new(kind: string): bigint {
    const handle = this.#next;
    this.#next += 0x10n;
    this.open.set(handle, kind);
    return handle;
  }

  #lend(bytes: Uint8Array): bigint {
    const at = this.#next;
    this.#next += 0x10n;
    this.#memory.set(at, bytes);
    return at;
  }

  #at(address: number | bigint): Uint8Array {
    const bytes = this.#memory.get(BigInt(address));
    if (bytes === undefined) throw new Error(`no memory at ${address}`);
    return bytes;
  }

  #expect(handle: number | bigint, kind: string): void {
    if (this.open.get(BigInt(handle)) !== kind) throw new Error(`${handle} is no ${kind}`);
  }

  #close(handle: number | bigint, kind: string): void {
    this.#expect(handle, kind);
    this.open.delete(BigInt(handle));
    this.closings.push(kind);
  }

  #fail(code: number): bigint {
    this.#lastError = code;
    return 0n;
  }

  /** Makes a call unless it shall fail. */
  #call(name: string, run: () => bigint): bigint {
    const code = this.failing.get(name);
    if (code === undefined) return run();
    this.failing.delete(name);
    return this.#fail(code);
  }

  #makeLib(): Wintun {
    const wide = (buffer: unknown) => {
      const text = new TextDecoder("utf-16le").decode(buffer as Uint8Array<ArrayBuffer>);
      if (!text.endsWith("\0")) throw new Error("a string without an end");
      return text.slice(0, -1);
    };
    return {
      kernel32: {
        GetLastError: () => this.forgetful ? 0 : this.#lastError,
        CreateEventW: (_security, manual, state, _name) =>
          this.#call("CreateEventW", () => {
            if (manual !== 1 || state !== 0) throw new Error("an event that resets, or is set");
            return this.#new("event");
          }),
        SetEvent: (event) => {
          this.#expect(event, "event");
          this.#signal(BigInt(event));
          return 1;
        },
        CloseHandle: (handle) => {
          this.#close(handle, "event");
          return 1;
        },
        WaitForMultipleObjects: (count, handles, all, ms) => {
          if (all !== 0 || ms !== 0xffff_ffff) throw new Error("not a wait for any, for ever");
          const bytes = handles as Uint8Array<ArrayBuffer>;
          return this.#wait([...new BigUint64Array(bytes.buffer, 0, count)]);
        },
        copyFrom: (to, from, length) =>
          void (to as Uint8Array).set(this.#at(from).subarray(0, Number(length))),
        copyTo: (to, from, length) =>
          void this.#at(to).set((from as Uint8Array).subarray(0, Number(length))),
      },
      wintun: {
        WintunOpenAdapter: (name) =>
          this.others.has(wide(name)) ? this.#new("adapter") : this.#fail(2),
        WintunCreateAdapter: (name, type, guid) =>
          this.#call("WintunCreateAdapter", () => {
            if (guid !== 0n) throw new Error("a GUID");
            this.created.push({ name: wide(name), type: wide(type), capacity: 0 });
            return this.#new("adapter");
          }),
        WintunCloseAdapter: (adapter) => this.#close(adapter, "adapter"),
        WintunStartSession: (adapter, capacity) =>
          this.#call("WintunStartSession", () => {
            this.#expect(adapter, "adapter");
            for (const created of this.created) created.capacity = capacity;
            return this.#new("session");
          }),
        WintunEndSession: (session) => this.#close(session, "session"),
        WintunGetReadWaitEvent: (session) =>
          this.#call("WintunGetReadWaitEvent", () => {
            this.#expect(session, "session");
            return this.#readEvent = this.#next += 0x10n;
          }),
        WintunReceivePacket: (session, size) =>
          this.#call("WintunReceivePacket", () => {
            this.#expect(session, "session");
            const packet = this.#queue.shift();
            if (packet === undefined) {
              const { ERROR_HANDLE_EOF, ERROR_NO_MORE_ITEMS } = WindowsCode;
              return this.#fail(this.removed ? ERROR_HANDLE_EOF : ERROR_NO_MORE_ITEMS);
            }
            new DataView((size as Uint8Array).buffer).setUint32(0, packet.length, true);
            this.lent++;
            return this.#lend(packet);
          }),
        WintunReleaseReceivePacket: (_session, packet) => {
          this.#at(packet);
          this.#memory.delete(BigInt(packet));
          this.lent--;
        },
        WintunAllocateSendPacket: (session, size) =>
          this.#call("WintunAllocateSendPacket", () => {
            this.#expect(session, "session");
            if (this.removed) return this.#fail(WindowsCode.ERROR_HANDLE_EOF);
            if (this.room === 0) return this.#fail(WindowsCode.ERROR_BUFFER_OVERFLOW);
            this.room--;
            return this.#lend(new Uint8Array(size));
          }),
        WintunSendPacket: (_session, packet) => {
          this.written.push(this.#at(packet));
          this.#memory.delete(BigInt(packet));
        },
      },
      [Symbol.dispose]: () => {
        if (this.closed) throw new TtunError("internal", "closed twice");
        this.closed = true;
      },
    };
  }

  /** Comes back when one of the events is set, as from another thread: never at once. */
  async #wait(events: bigint[]): Promise<number> {
    const code = this.failing.get("WaitForMultipleObjects");
    this.failing.delete("WaitForMultipleObjects");
    if (code === -1) throw new Error("no thread for a call that waits");
    if (code !== undefined) return 0xffff_ffff;
    const [read, stop] = events;
    if (read !== this.#readEvent) throw new Error("a wait for another event");
    this.#expect(stop!, "event");
    const { promise, resolve } = Promise.withResolvers<number>();
    const look = () => {
      const index = events.findIndex((event) => this.#set.has(event));
      if (index >= 0) resolve(index);
    };
    this.#waiting.add(look);
    look();
    const index = await promise;
    this.#waiting.delete(look);
    if (index === 0) this.#set.delete(read!); // it resets itself
    this.#expect(stop!, "event"); // nobody may close it meanwhile
    return index;
  }
}
