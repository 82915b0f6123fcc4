import { type Cidr, parseIp } from "../../base/addr.ts";
import { constantTimeEqual, toHex, utf8 } from "../../base/bytes.ts";
import { toLatin1 } from "../../base/latin1.ts";
import { covers } from "../../base/prefix.ts";
import type { HttpRequest } from "../http/exchange.ts";
import { isNamed, valuesOf } from "../http/fields.ts";
import { derive } from "../link/v2/secrets.ts";

/** Failures of an address until it has to wait, and for how many milliseconds. */
const MOST_FAILURES = 10;
const WAIT_MS = 60_000;

/** Addresses whose failures are remembered. */
const MOST_ADDRESSES = 10_000;

/** Rules of an agent for who may reach a service; it crosses to a Worker. */
export interface VisitorRules {
  /** Networks that visitors must come from; null = any. */
  readonly allow: readonly Cidr[] | null;
  /** Hashes (`hashOfLogin`, `hashOfBearer`) of which a request must show one; null = none is needed. */
  readonly hashes: readonly Uint8Array[] | null;
  /** Of the hashes: 16 random bytes. */
  readonly salt: Uint8Array;
  /** A browser is asked for a name and a password. */
  readonly asksBrowser: boolean;
}

/** `login`: NAME:PASSWORD. */
export function hashOfLogin(salt: Uint8Array, login: Uint8Array): Uint8Array {
  return derive(salt, "mesh basic auth", login);
}

export function hashOfBearer(salt: Uint8Array, token: Uint8Array): Uint8Array {
  return derive(salt, "mesh bearer", token);
}

/** A refusal: 403 for an address, 401 for a missing or wrong login, 429 for too many of them. */
export type Verdict =
  | { readonly kind: "pass"; readonly head: HttpRequest }
  | { readonly kind: "refuse"; readonly status: 401 | 403 | 429; readonly challenge: string };

interface Failures {
  count: number;
  /** Time until which they count. */
  until: number;
}

/** Judges requests to a service by its rules. */
export class VisitorGuard {
  readonly #rules: VisitorRules;
  readonly #now: () => number;
  readonly #failures = new Map<string, Failures>();

  /** `now`: milliseconds of a monotonic clock. */
  constructor(rules: VisitorRules, now: () => number) {
    this.#rules = rules;
    this.#now = now;
  }

  /** `visitor`: the address of the visitor's socket. */
  judge(head: HttpRequest, visitor: string): Verdict {
    const { allow, hashes } = this.#rules;
    if (allow !== null && !isIn(allow, visitor)) return refuse(403);
    if (hashes === null) return { kind: "pass", head };
    const [value, ...others] = valuesOf(head.fields, "authorization");
    if (value === undefined) return this.#ask();
    const owner = ownerOf(visitor);
    const failures = this.#failuresOf(owner);
    if (failures !== null && failures.count >= MOST_FAILURES) return refuse(429);
    if (others.length === 0 && this.#isRight(value)) {
      // The service has no use for the gateway's login, and may have one of its own by the name.
      const fields = head.fields.filter((field) => !isNamed(field, "authorization"));
      return { kind: "pass", head: { ...head, fields } };
    }
    this.#count(owner, failures);
    return this.#ask();
  }

  #isRight(value: string): boolean {
    const { hashes, salt } = this.#rules;
    const [, scheme = "", credentials = ""] = /^([A-Za-z]+) +(\S+)$/.exec(value) ?? [];
    let hash: Uint8Array | null = null;
    if (scheme.toLowerCase() === "bearer") hash = hashOfBearer(salt, toLatin1(credentials));
    if (scheme.toLowerCase() === "basic") {
      const login = decodeBase64(credentials);
      if (login !== null) hash = hashOfLogin(salt, login);
    }
    if (hash === null) return false;
    let isRight = false;
    for (const one of hashes!) if (constantTimeEqual(one, hash)) isRight = true;
    return isRight;
  }

  #ask(): Verdict {
    return refuse(401, this.#rules.asksBrowser ? 'Basic realm="ttun", charset="UTF-8"' : "Bearer");
  }

  #failuresOf(owner: string): Failures | null {
    const found = this.#failures.get(owner);
    return found !== undefined && this.#now() < found.until ? found : null;
  }

  #count(owner: string, failures: Failures | null): void {
    const count = (failures?.count ?? 0) + 1;
    this.#failures.delete(owner);
    this.#failures.set(owner, { count, until: this.#now() + WAIT_MS });
    if (this.#failures.size > MOST_ADDRESSES) {
      this.#failures.delete(this.#failures.keys().next().value!);
    }
  }
}

function refuse(status: 401 | 403 | 429, challenge = ""): Verdict {
  return { kind: "refuse", status, challenge };
}

/** Returns what stands for all addresses of one who guesses: of IPv6 everybody has a /64. */
function ownerOf(visitor: string): string {
  const ip = parseIp(visitor);
  return ip?.length === 16 ? toHex(ip.subarray(0, 8)) : visitor;
}

function isIn(networks: readonly Cidr[], visitor: string): boolean {
  const ip = parseIp(visitor);
  return ip !== null && networks.some((network) => covers(network, ip));
}

/** Returns null for what is not base64 (RFC 4648 section 4). */
function decodeBase64(text: string): Uint8Array | null {
  try {
    return toLatin1(atob(text));
  } catch {
    return null;
  }
}

/** Reads lines of NAME:PASSWORD; empty ones and those that begin with # are left out. */
export function readLogins(text: string): string[] | null {
  const lines = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
  return lines.length > 0 && lines.every((line) => line.includes(":")) ? lines : null;
}

/** Returns the hashes of logins and of a token, for rules. */
export function hashesOf(
  salt: Uint8Array,
  logins: readonly string[],
  token: string | null,
): Uint8Array[] {
  return [
    ...logins.map((login) => hashOfLogin(salt, utf8(login))),
    ...(token === null ? [] : [hashOfBearer(salt, utf8(token))]),
  ];
}
