import { TtunError } from "../../base/errors.ts";
import { isGranted } from "./permissions.ts";
import type { SocketPlatform } from "./platform.ts";
import { openDenoSockets } from "./sockets_deno.ts";
import { openLinuxSockets } from "./sockets_linux.ts";

/** @throws {TtunError} usage, if this system has no native ones */
export function chooseIo(wanted: "auto" | "ffi" | "deno"): "ffi" | "deno" {
  const isLinux = Deno.build.os === "linux";
  if (wanted === "auto") return isLinux && isGranted({ name: "ffi" }) ? "ffi" : "deno";
  if (wanted === "ffi" && !isLinux) {
    throw new TtunError("usage", "Cannot use --io ffi: it is for Linux only");
  }
  return wanted;
}

/** With native calls at hand, Deno's own sockets have more options. */
export function openSockets(io: "ffi" | "deno"): SocketPlatform {
  const isNative = io === "ffi" || (Deno.build.os === "linux" && isGranted({ name: "ffi" }));
  return isNative ? openLinuxSockets(io, { busyPoll: true }) : openDenoSockets();
}
