import { TtunError } from "../../src/base/errors.ts";
import { KERNEL32_TABLE, type Kernel32Symbols } from "./kernel32.ts";
import { openLibrary } from "../library.ts";

/** Calls of Wintun 0.14's wintun.h (https://www.wintun.net). Handles and addresses are numbers. */
export const WINTUN_TABLE = {
  WintunCreateAdapter: { parameters: ["buffer", "buffer", "usize"], result: "usize" },
  WintunOpenAdapter: { parameters: ["buffer"], result: "usize" },
  WintunCloseAdapter: { parameters: ["usize"], result: "void" },
  WintunStartSession: { parameters: ["usize", "u32"], result: "usize" },
  WintunEndSession: { parameters: ["usize"], result: "void" },
  // The session owns the returned event, which must not be closed.
  WintunGetReadWaitEvent: { parameters: ["usize"], result: "usize" },
  WintunReceivePacket: { parameters: ["usize", "buffer"], result: "usize" },
  WintunReleaseReceivePacket: { parameters: ["usize", "usize"], result: "void" },
  WintunAllocateSendPacket: { parameters: ["usize", "u32"], result: "usize" },
  WintunSendPacket: { parameters: ["usize", "usize"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

export type WintunSymbols = Deno.StaticForeignLibraryInterface<typeof WINTUN_TABLE>;

export interface Wintun extends Disposable {
  readonly wintun: WintunSymbols;
  readonly kernel32: Kernel32Symbols;
}

/**
 * Returns only the file that the user names, or else the one next to the program. The loader's
 * search path can include the current folder, and a DLL that anybody has put there would run as
 * administrator.
 */
export function wintunPaths(given: string | undefined, program: string): string[] {
  if (given !== undefined) return [given];
  return [program.replace(/[^\\/]*$/, "wintun.dll")];
}

/** @throws {TtunError} `system` if wintun.dll cannot be loaded; the message says where to get it */
export function openWintun(paths: readonly string[], open = openLibrary): Wintun {
  using opened = new DisposableStack();
  const kernel32 = opened.use(open(["kernel32.dll"], KERNEL32_TABLE));
  const wintun = opened.use(openDll(paths, open));
  const both = opened.move();
  return {
    wintun: wintun.symbols,
    kernel32: kernel32.symbols,
    [Symbol.dispose]: () => both.dispose(),
  };
}

function openDll(paths: readonly string[], open: typeof openLibrary) {
  try {
    return open(paths, WINTUN_TABLE);
  } catch (cause) {
    throw new TtunError(
      "system",
      `Cannot open a TUN device: none of ${paths.join(", ")} can be loaded; get wintun.dll from ` +
        "https://www.wintun.net (of its archive's folder bin, what fits this machine: amd64 or " +
        `arm64) and put it there as ${paths[0]}, or name it with --wintun FILE`,
      { cause },
    );
  }
}
