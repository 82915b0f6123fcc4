import { MAX_KEY, splitKey } from "../record.ts";

/** A resource of a node's API, by its path. */
export type Route =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "list"; readonly prefix: string }
  | { readonly kind: "watch"; readonly prefix: string }
  | { readonly kind: "lease"; readonly name: string }
  | { readonly kind: "health" | "ring" | "metrics" | "members" | "agents" }
  | { readonly kind: "invites" | "leave" }
  | { readonly kind: "revoke"; readonly nodeId: string }
  | { readonly kind: "rotation"; readonly step: string }
  | { readonly kind: "core"; readonly action: string };

const SEGMENTS = /^[A-Za-z0-9._-]{1,253}(?:\/[A-Za-z0-9._-]{1,253})*$/;

/** Returns the route of a path; null = there is none, or its key is none. */
export function routeOf(path: string): Route | null {
  if (path === "/metrics") return { kind: "metrics" };
  const [, version, kind, rest = ""] = /^\/(v1)\/([a-z]+)(?:\/(.*))?$/.exec(path) ?? [];
  if (version === undefined) return null;
  const name = decoded(rest);
  if (name === null) return null;
  switch (kind) {
    case "kv":
      if (name === "" || name.endsWith("/")) {
        return isPrefix(name) ? { kind: "list", prefix: name } : null;
      }
      return splitKey(name) === null ? null : { kind: "key", key: name };
    case "watch":
      return isPrefix(name) ? { kind: "watch", prefix: name } : null;
    case "lease":
      return SEGMENTS.test(name) && name.length < MAX_KEY - 6 ? { kind: "lease", name } : null;
    case "health":
    case "ring":
    case "members":
    case "agents":
    case "invites":
    case "leave":
      return rest === "" ? { kind } : null;
    case "revoke":
      return /^[0-9a-f]{12,64}$/.test(name) ? { kind: "revoke", nodeId: name } : null;
    case "rotation":
      return /^(?:add|use|remove)?$/.test(name) ? { kind: "rotation", step: name } : null;
    case "core":
      return /^[a-z]+$/.test(name) ? { kind: "core", action: name } : null;
    default:
      return null;
  }
}

/** True for what keys may begin with. */
export function isPrefix(text: string): boolean {
  const whole = text.endsWith("/") ? text.slice(0, -1) : text;
  return text === "" || (text.length <= MAX_KEY && SEGMENTS.test(whole));
}

/** Only clusters themselves write below these. */
const RESERVED = ["acme/", "cert/", "conf/", "invite/", "lease/", "revoked/", "txt/"];

/** True for keys that an ordinary token must not write. */
export function isReserved(key: string): boolean {
  return RESERVED.some((start) => key.startsWith(start));
}

/** Reads "30s", "500ms", "5m", "1h" as milliseconds; null = it is none. */
export function parseDuration(text: string): number | null {
  const [, digits, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const ms = Number(digits) * { ms: 1, s: 1000, m: 60_000, h: 3600_000 }[unit as "ms"];
  return ms > 0 ? ms : null;
}

/** A web page can lead a name of its own to this machine (DNS rebinding): only its own names count. */
export function isLocalName(host: string | null): boolean {
  if (host === null) return true;
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return name === "localhost" || name === "::1" || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function decoded(text: string): string | null {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a percent sign that means nothing
  }
}
