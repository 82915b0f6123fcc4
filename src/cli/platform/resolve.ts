import { lookup } from "node:dns/promises";
import { isIpAddress } from "../../base/addr.ts";
import { NameError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";

/** Asks getaddrinfo, which occupies a thread and cannot be cancelled. @throws {NameError} */
export async function resolveHost(host: string): Promise<string[]> {
  if (isIpAddress(host)) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (cause) {
    const quoted = JSON.stringify(host);
    const code = cause instanceof Error && "code" in cause ? cause.code : "";
    if (code === "EAI_AGAIN") {
      const words =
        `Cannot resolve ${quoted}: no answer from the name servers; is there a way to them?`;
      throw new NameError("silent", words, { cause });
    }
    const words = `Cannot resolve ${quoted}: no such host name, or no name server answers; ` +
      "check its spelling";
    throw new NameError("missing", words, { cause });
  }
}

/** Leaves "" for all addresses. @throws {NameError}; the signal's reason, without waiting */
export async function resolveListenHost(host: string, signal: AbortSignal): Promise<string> {
  return host === "" ? "" : (await abortable(resolveHost(host), signal))[0]!;
}
