import { TtunError } from "../../../base/errors.ts";
import type { Version } from "../../../contract/mesh_store.ts";

export function etagOf(version: Version): string {
  return `"${version}"`;
}

/** Reads the condition of a write (RFC 9110 section 13.1). @throws {TtunError} usage */
export function readConditions(headers: Headers): { if?: Version | "absent" } {
  const match = headers.get("if-match");
  const none = headers.get("if-none-match");
  if (match !== null && none !== null) {
    throw unreadable("If-Match and If-None-Match exclude each other");
  }
  if (none !== null) {
    if (none !== "*") throw unreadable("of a write, If-None-Match has to be *");
    return { if: "absent" };
  }
  if (match === null) return {};
  const [, version] = /^"([^"]+)"$/.exec(match) ?? [];
  // The store's own word for no version must not come from outside.
  if (version === undefined || version === "absent") {
    throw unreadable("If-Match has to be one ETag");
  }
  return { if: version };
}

function unreadable(why: string): TtunError {
  return new TtunError("usage", `Cannot read the request: ${why}`);
}
