import { formatAddr, type HostPort } from "../../base/addr.ts";
import { noAnswer } from "../../base/dial_timeout.ts";
import { TtunError, UnreachableError } from "../../base/errors.ts";
import { Errno, type ErrnoName } from "../../../ffi/linux/errno.ts";
import { NativeError } from "../../../ffi/native.ts";
import { netError } from "../net/net_errors.ts";
import type { QuicEvent } from "./messages.ts";

type Failed = Extract<QuicEvent, { readonly kind: "failed" }>;

/** Returns the error of a listener or dial at that address. */
export function quicError(
  { reason, words, code }: Failed,
  doing: "connect" | "listen",
  at: HostPort,
  timeoutMs = 0,
): unknown {
  if (reason === "timeout") return noAnswer(at, timeoutMs);
  if (code !== null && Object.hasOwn(Errno, code)) {
    return netError(new NativeError(doing, Errno[code as ErrnoName]), doing, at);
  }
  const where = formatAddr(at);
  if (doing === "listen") {
    return new TtunError("usage", `Cannot listen on ${where} by QUIC: ${words}`);
  }
  if (reason === "certificate") {
    const why = words.replace(/^.*invalid peer certificate: /s, "");
    return new TtunError(
      "auth",
      `Cannot trust ${where}: its certificate is not one that --ca and ?name= name (${why})`,
    );
  }
  const kind = reason === "refused" ? "refused" : "host";
  return new UnreachableError(kind, `Cannot connect to ${where} by QUIC: ${words}`);
}
