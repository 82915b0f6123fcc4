import { TtunError } from "../../src/base/errors.ts";
import { openLibrary } from "../library.ts";
import { openTox, type Tox } from "./tox.ts";
import type { ToxSettings, ToxSizes } from "./tox_types.ts";
import { TOXCORE_TABLE } from "./toxcore_table.ts";

/** The library as it is installed. Dispose after all its instances. */
export interface Toxcore extends Disposable {
  /** Such as "0.2.18". */
  readonly version: string;
  readonly sizes: ToxSizes;
  /** @throws {TtunError} */
  open(settings: ToxSettings): Tox;
}

/**
 * Returns the library's file names, the likeliest first; `program`: path of the running program,
 * beside which the DLL lies on Windows (its search path can include folders that anybody writes to).
 */
export function toxcoreNames(os: typeof Deno.build.os, program: string): string[] {
  switch (os) {
    case "windows":
      return [program.replace(/[^\\/]*$/, "libtoxcore.dll")];
    case "darwin": {
      const name = "libtoxcore.2.dylib";
      return [`/opt/homebrew/lib/${name}`, `/usr/local/lib/${name}`, `/opt/local/lib/${name}`];
    }
    case "freebsd":
      return ["/usr/local/lib/libtoxcore.so.2"];
    default:
      return ["libtoxcore.so.2"];
  }
}

/** @throws {TtunError} system, if the library is not there: it says which package has it */
export function openToxcore(
  os: typeof Deno.build.os,
  program: string,
  open: typeof openLibrary = openLibrary,
): Toxcore {
  const library = openNamed(os, toxcoreNames(os, program), open);
  const call = library.symbols;
  const version = [call.tox_version_major(), call.tox_version_minor(), call.tox_version_patch()];
  const sizes: ToxSizes = {
    publicKey: call.tox_public_key_size(),
    address: call.tox_address_size(),
    friendRequest: call.tox_max_friend_request_length(),
    packet: call.tox_max_custom_packet_size(),
  };
  return {
    version: version.join("."),
    sizes,
    open: (settings) => openTox(call, sizes, settings),
    [Symbol.dispose]: () => library[Symbol.dispose](),
  };
}

function openNamed(
  os: typeof Deno.build.os,
  names: readonly string[],
  open: typeof openLibrary,
) {
  try {
    return open(names, TOXCORE_TABLE);
  } catch (cause) {
    throw new TtunError(
      "system",
      `Cannot use Tox: libtoxcore (${names.join(", ")}) cannot be loaded; ${packageAdvice(os)}`,
      { cause },
    );
  }
}

function packageAdvice(os: typeof Deno.build.os): string {
  switch (os) {
    case "windows":
      return "put the DLL of https://tox.chat there";
    case "darwin":
      return "install it: brew install toxcore";
    case "freebsd":
      return "install it: pkg install tox";
    default:
      return "install its package: libtoxcore2 on Debian and Ubuntu, toxcore on Fedora, Alpine, " +
        "Arch and openSUSE";
  }
}
