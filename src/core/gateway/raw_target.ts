import { TtunError } from "../../base/errors.ts";
import { type ForwardTarget, makeTarget } from "../../base/target.ts";

/** Where an agent passes connections and datagrams on to as they are. */
export interface RawTarget {
  readonly kind: "raw";
  readonly to: ForwardTarget;
  /** `udp`: datagrams alone; `both`: connections too. */
  readonly carries: "tcp" | "udp" | "both";
  /** Everybody may reach it, without an access key. */
  readonly isPublic: boolean;
  /** Version of the PROXY header that each connection begins with; null = none. */
  readonly proxy: 1 | 2 | null;
}

const FORMS = "write tcp://HOST:PORT, tcp://unix:/PATH, or udp://HOST:PORT";

/** Returns true for what is to be read as such a target. */
export function isRawTarget(text: string): boolean {
  return /^(?:tcp|udp):/i.test(text);
}

/**
 * Reads `tcp://HOST:PORT` or `tcp://unix:/PATH`, both with `?proxy=v1|v2` if that is wanted, or
 * `udp://HOST:PORT`. @throws {TtunError} usage
 */
export function readRawTarget(text: string): RawTarget {
  const [, scheme, rest = "", query] = /^(tcp|udp):\/\/([^?]*)(?:\?proxy=(v[12]))?$/is.exec(text) ??
    [];
  const carries = scheme?.toLowerCase() === "udp" ? "udp" : "tcp";
  const proxy = query === undefined ? null : query === "v1" ? 1 : 2;
  if (proxy !== null && carries === "udp") throw unusable(text, FORMS);
  const common = { kind: "raw", carries, isPublic: false, proxy } as const;
  const target = (to: ForwardTarget): RawTarget => ({ ...common, to });
  const [, path] = /^unix:(\/.*)$/s.exec(rest) ?? [];
  if (path !== undefined) {
    if (carries === "udp" || path.includes("\0") || path.endsWith("/")) throw unusable(text, FORMS);
    return target({ path });
  }
  const [, host, port] = /^(\[[^\]]*\]|[^:/?#@[\]]+):(\d{1,5})\/?$/.exec(rest) ?? [];
  if (host === undefined) throw unusable(text, FORMS);
  try {
    const to = makeTarget(host.replace(/^\[(.*)\]$/, "$1"), Number(port));
    return target(to);
  } catch (error) {
    throw unusable(text, error instanceof Error ? error.message : String(error));
  }
}

function unusable(text: string, why: string): TtunError {
  return new TtunError("usage", `Cannot publish ${JSON.stringify(text)}: ${why}`);
}
