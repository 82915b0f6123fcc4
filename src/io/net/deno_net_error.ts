import { type Addr, formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { zoneOf } from "../../base/zone.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { NativeError } from "../../../ffi/native.ts";
import { isLookupFailure, systemError } from "../deno_errors.ts";
import { netError } from "./net_errors.ts";

export function denoNetError(
  thrown: unknown,
  doing: "connect" | "listen" | "accept" | "stream",
  at: Addr,
): unknown {
  if (!isLookupFailure(thrown)) return netError(systemError(thrown, doing) ?? thrown, doing, at);
  // An address with a zone is only resolved for its interface.
  if ("host" in at && zoneOf(at.host) !== null) {
    return netError(new NativeError(doing, Errno.ENODEV), doing, at);
  }
  return new TtunError(
    "name",
    `Cannot resolve ${formatAddr(at)}: no such host name, or no name server answers`,
    { cause: thrown },
  );
}
