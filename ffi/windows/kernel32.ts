/**
 * Calls of synchapi.h, handleapi.h, errhandlingapi.h and winnt.h. Handles and addresses are `usize`
 * numbers; this side never dereferences them.
 */
export const KERNEL32_TABLE = {
  GetLastError: { parameters: [], result: "u32" },
  CreateEventW: { parameters: ["usize", "i32", "i32", "usize"], result: "usize" },
  SetEvent: { parameters: ["usize"], result: "i32" },
  CloseHandle: { parameters: ["usize"], result: "i32" },
  // Runs on a thread of Deno's pool.
  WaitForMultipleObjects: {
    parameters: ["u32", "buffer", "i32", "u32"],
    result: "u32",
    nonblocking: true,
  },
  copyFrom: {
    name: "RtlMoveMemory",
    parameters: ["buffer", "usize", "usize"],
    result: "void",
  },
  copyTo: {
    name: "RtlMoveMemory",
    parameters: ["usize", "buffer", "usize"],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

export type Kernel32Symbols = Deno.StaticForeignLibraryInterface<typeof KERNEL32_TABLE>;

/** These constants are of winbase.h. */
export const INFINITE = 0xffff_ffff;
export const WAIT_FAILED = 0xffff_ffff;

/** These constants are of winerror.h. */
export const WindowsCode = {
  ERROR_SUCCESS: 0,
  ERROR_ACCESS_DENIED: 5,
  ERROR_INVALID_DATA: 13,
  ERROR_HANDLE_EOF: 38,
  ERROR_BUFFER_OVERFLOW: 111,
  ERROR_ALREADY_EXISTS: 183,
  ERROR_NO_MORE_ITEMS: 259,
  ERROR_ALREADY_INITIALIZED: 1247,
} as const;

const NAMES = new Map<number, string>(
  Object.entries(WindowsCode).map(([name, code]) => [code, name]),
);

/** A failed call. Adapters translate it, once. */
export class WindowsError extends Error {
  override readonly name = "WindowsError";
  readonly call: string;
  readonly code: number;

  constructor(call: string, code: number) {
    const why = code === 0 ? "Windows gave no reason" : NAMES.get(code) ?? `error ${code}`;
    super(`${call}: ${why}`);
    this.call = call;
    this.code = code;
  }
}

export function wideString(text: string): Uint8Array<ArrayBuffer> {
  const units = new Uint16Array(text.length + 1);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return new Uint8Array(units.buffer);
}
