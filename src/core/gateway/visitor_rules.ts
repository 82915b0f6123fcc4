import { type Cidr, parseIp } from "../../base/addr.ts";
import { constantTimeEqual, toHex, utf8 } from "../../base/bytes.ts";
import { toLatin1 } from "../../base/latin1.ts";
import { covers } from "../../base/prefix.ts";
import type { HttpRequest } from "../http/exchange.ts";
import { isNamed, valuesOf } from "../http/fields.ts";
import { derive } from "../link/v2/secrets.ts";
import type { SlowLogin } from "./logins.ts";
import { FailureLimit, ownerOf } from "./failure_limit.ts";
import type { PasswordChecks } from "./password_checks.ts";

/** Logins that were right, and are known from then on without another check of the password. */
const MOST_KNOWN = 1000;

/** Rules of an agent for who may reach a service; it crosses to a Worker. */
export interface VisitorRules {
  /** Networks that visitors must come from; null = any. */
  readonly allow: readonly Cidr[] | null;
  /** Hashes (`hashOfLogin`, `hashOfBearer`) of which a request must show one; null = none is needed. */
  readonly hashes: readonly Uint8Array[] | null;
  /** Of the hashes: 16 random bytes. */
  readonly salt: Uint8Array;
  /** Logins of which only a hash is known, beside `hashes`. */
  readonly slow: readonly SlowLogin[];
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

/** Judges requests to a service by its rules. */
export class VisitorGuard {
  readonly #rules: VisitorRules;
  readonly #failures: FailureLimit;
  readonly #checks: PasswordChecks;
  /** Fast hashes of logins that were right, in hex. */
  readonly #known = new Set<string>();

  /** `now`: milliseconds of a monotonic clock. */
  constructor(rules: VisitorRules, now: () => number, checks: PasswordChecks) {
    this.#rules = rules;
    this.#failures = new FailureLimit(now);
    this.#checks = checks;
  }

  /** Returns true if visitors from there may come at all. */
  allows(visitor: string): boolean {
    const { allow } = this.#rules;
    return allow === null || isIn(allow, visitor);
  }

  /** `visitor`: the address of the visitor's socket. */
  judge(head: HttpRequest, visitor: string): Verdict {
    if (!this.allows(visitor)) return refuse(403);
    if (this.#rules.hashes === null) return { kind: "pass", head };
    const [value, ...others] = valuesOf(head.fields, "authorization");
    if (value === undefined) return this.#ask();
    const owner = ownerOf(visitor);
    if (!this.#failures.mayTry(owner)) return refuse(429);
    const isRight = others.length === 0 && this.#isRight(value);
    if (isRight === null) return refuse(429);
    if (isRight) {
      // The service has no use for the gateway's login, and may have one of its own by the name.
      const fields = head.fields.filter((field) => !isNamed(field, "authorization"));
      return { kind: "pass", head: { ...head, fields } };
    }
    this.#failures.failed(owner);
    return this.#ask();
  }

  /** Null = there are too many to check for now. */
  #isRight(value: string): boolean | null {
    const { hashes, salt, slow } = this.#rules;
    const [, scheme = "", credentials = ""] = /^([A-Za-z]+) +(\S+)$/.exec(value) ?? [];
    let hash: Uint8Array | null = null;
    if (scheme.toLowerCase() === "bearer") hash = hashOfBearer(salt, toLatin1(credentials));
    const login = scheme.toLowerCase() === "basic" ? decodeBase64(credentials) : null;
    if (login !== null) hash = hashOfLogin(salt, login);
    if (hash === null) return false;
    let isRight = false;
    for (const one of hashes!) if (constantTimeEqual(one, hash)) isRight = true;
    if (isRight || login === null || slow.length === 0) return isRight;
    const name = toHex(hash);
    if (this.#known.has(name)) return true;
    const isSlowLogin = this.#isSlowLogin(login);
    if (isSlowLogin !== true) return isSlowLogin;
    if (this.#known.size >= MOST_KNOWN) this.#known.clear();
    this.#known.add(name);
    return true;
  }

  /**
   * One hash is made in any case, so that the time does not tell which names there are. Null = there are
   * too many to check for now.
   */
  #isSlowLogin(login: Uint8Array): boolean | null {
    const { slow } = this.#rules;
    const colon = login.indexOf(0x3a);
    const name = utf8Text(login.subarray(0, Math.max(0, colon)));
    const found = slow.find((one) => one.name === name);
    const isRight = this.#checks.check(login.subarray(colon + 1), (found ?? slow[0]!).password);
    return isRight === null ? null : isRight && found !== undefined && colon >= 0;
  }

  #ask(): Verdict {
    return refuse(401, this.#rules.asksBrowser ? 'Basic realm="ttun", charset="UTF-8"' : "Bearer");
  }
}

function refuse(status: 401 | 403 | 429, challenge = ""): Verdict {
  return { kind: "refuse", status, challenge };
}

/** Returns the text of bytes; null = it is no UTF-8. */
function utf8Text(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null; // no name of a file is that
  }
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
