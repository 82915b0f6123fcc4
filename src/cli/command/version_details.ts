import { openLibcrypto } from "../../../ffi/openssl/libcrypto.ts";
import { toTtunError } from "../../base/errors.ts";
import { isGranted } from "../platform/permissions.ts";

export function versionDetails(libcrypto: () => string = findLibcrypto): string {
  const facts: readonly (readonly [string, string])[] = [
    ["Deno", `${Deno.version.deno} (${Deno.build.target})`],
    ["V8", Deno.version.v8],
    ["OpenSSL", libcrypto()],
    ["wire", "versions 1 and 2 of the tunnel and of the proxy, whose version 1 is tt"],
  ];
  return facts.map(([name, value]) => `${name.padEnd(8)} ${value}\n`).join("");
}

function findLibcrypto(): string {
  if (!isGranted({ name: "ffi" })) return "not looked for: Deno was started without --allow-ffi";
  try {
    using library = openLibcrypto();
    return library.version;
  } catch (error) {
    return `not found: ${toTtunError(error).message}`;
  }
}
