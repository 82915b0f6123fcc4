import { TtunError } from "../../base/errors.ts";
import { type ForwardTarget, makeTarget } from "../../base/target.ts";

/** Where an agent passes requests on to. */
export interface PublishTarget {
  readonly kind: "http";
  readonly to: ForwardTarget;
}

/** Schemes of later versions, and of other programs: a target that is none must not look like one. */
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/**
 * Reads where requests go: `8080` (of this machine), `HOST:PORT`, `http://HOST[:PORT]` or
 * `unix:PATH`. @throws {TtunError} usage
 */
export function readPublishTarget(text: string): PublishTarget {
  const [whole = "", scheme = "http"] = SCHEME.exec(text) ?? [];
  if (scheme.toLowerCase() !== "http") {
    throw unusable(text, `${scheme}:// is not to be had; publish a service of plain HTTP`);
  }
  if (whole === "" && text.startsWith("unix:")) return unixTarget(text);
  const rest = text.slice(whole.length);
  if (/^\d+$/.test(rest) && whole === "") return at(text, "127.0.0.1", Number(rest));
  const [, host, digits] = /^(\[[^\]]*\]|[^:/?#@[\]]+)(?::(\d+))?\/?$/.exec(rest) ?? [];
  if (host === undefined || (whole === "" && digits === undefined)) {
    throw unusable(text, "write 8080, HOST:PORT, http://HOST:PORT or unix:PATH");
  }
  return at(text, host.replace(/^\[(.*)\]$/, "$1"), Number(digits ?? 80));
}

function unixTarget(text: string): PublishTarget {
  const path = text.slice("unix:".length);
  if (path.startsWith("/") && !path.includes("\0")) return { kind: "http", to: { path } };
  throw unusable(text, "write the whole path of the socket, as unix:/run/app.sock");
}

function at(text: string, host: string, port: number): PublishTarget {
  try {
    return { kind: "http", to: makeTarget(host, port) };
  } catch (error) {
    throw unusable(text, error instanceof Error ? error.message : String(error));
  }
}

function unusable(text: string, why: string): TtunError {
  return new TtunError("usage", `Cannot publish ${JSON.stringify(text)}: ${why}`);
}
