import { encodeBase64Url } from "../../../base/base64url.ts";
import { constantTimeEqual, utf8 } from "../../../base/bytes.ts";
import type { Rng } from "../../../contract/host.ts";
import type { HttpRequest } from "../../http/exchange.ts";
import { valuesOf } from "../../http/fields.ts";

/** Browsers that are let in at a time, and nonces that were given out: the newest count. */
const MOST_SESSIONS = 8;
const MOST_NONCES = 32;

const COOKIE = "ttun-inspect";

export type Entry =
  /** The token is used up: the browser gets a cookie, and goes to where the page is. */
  | { readonly kind: "enter"; readonly to: string; readonly cookie: string }
  /** `path`: behind the page's own. */
  | { readonly kind: "pass"; readonly path: string; readonly query: string }
  | { readonly kind: "refuse"; readonly status: 401 | 403; readonly words: string };

/**
 * Lets a browser in by a token that counts once, and by the cookie that it gets for it. Cookies know
 * no ports: another server of this machine would get this one too, but for the random path, which it
 * does not know. Requests that another site's page has caused are refused.
 */
export class InspectDoor {
  readonly #rng: Rng;
  readonly #hosts: ReadonlySet<string>;
  readonly #place: string;
  readonly #entered: () => void;
  readonly #sessions: string[] = [];
  readonly #nonces: string[] = [];
  #token: string;

  /** `hosts`: with their ports, as browsers name them. `entered`: there is a new token. */
  constructor(rng: Rng, hosts: readonly string[], entered: () => void) {
    this.#rng = rng;
    this.#hosts = new Set(hosts);
    this.#place = `/${this.#secret(16)}/`;
    this.#entered = entered;
    this.#token = this.#secret(32);
  }

  /** Lets the next browser in. */
  get token(): string {
    return this.#token;
  }

  judge({ method, authority, path: whole, fields }: HttpRequest): Entry {
    if (!this.#hosts.has(authority.toLowerCase())) return refuse(403, "This is not its host.");
    const origins = valuesOf(fields, "origin");
    const isForeign = origins.some((origin) => origin !== `http://${authority}`);
    if (isForeign) return refuse(403, "Another site's page has asked for it.");
    const [path = "", query = ""] = splitOnce(whole, "?");
    if (path === "/" && method === "GET" && query.startsWith("token=")) return this.#enter(query);
    const sites = valuesOf(fields, "sec-fetch-site");
    if (sites.some((site) => site !== "same-origin" && site !== "none")) {
      return refuse(403, "Another site's page has asked for it.");
    }
    if (!path.startsWith(this.#place) || !this.#hasCookie(fields)) {
      return refuse(401, "Open the address that ttun mesh publish has printed; it counts once.");
    }
    if (method === "POST" && origins.length !== 1) {
      return refuse(403, "It does not say its origin.");
    }
    return { kind: "pass", path: path.slice(this.#place.length), query };
  }

  /** Returns what one POST must have. */
  giveNonce(): string {
    const nonce = this.#secret(16);
    this.#nonces.push(nonce);
    if (this.#nonces.length > MOST_NONCES) this.#nonces.shift();
    return nonce;
  }

  /** Returns true for a nonce that was given out; it counts once. */
  takeNonce(nonce: string): boolean {
    const at = this.#nonces.findIndex((one) => isSame(one, nonce));
    if (at >= 0) this.#nonces.splice(at, 1);
    return at >= 0;
  }

  #enter(query: string): Entry {
    if (!isSame(query.slice("token=".length), this.#token)) {
      return refuse(401, "The token is not right, or was used before.");
    }
    this.#token = this.#secret(32);
    const session = this.#secret(32);
    this.#sessions.push(session);
    if (this.#sessions.length > MOST_SESSIONS) this.#sessions.shift();
    this.#entered();
    const to = this.#place;
    return {
      kind: "enter",
      to,
      cookie: `${COOKIE}=${session}; Path=${to}; HttpOnly; SameSite=Strict`,
    };
  }

  #hasCookie(fields: HttpRequest["fields"]): boolean {
    const pairs = valuesOf(fields, "cookie").flatMap((line) => line.split(/; */));
    const shown = pairs.map((pair) => splitOnce(pair, "=")).filter(([name]) => name === COOKIE);
    return shown.some(([, value = ""]) => this.#sessions.some((one) => isSame(one, value)));
  }

  #secret(bytes: number): string {
    return encodeBase64Url(this.#rng(bytes));
  }
}

function refuse(status: 401 | 403, words: string): Entry {
  return { kind: "refuse", status, words };
}

function isSame(a: string, b: string): boolean {
  return constantTimeEqual(utf8(a), utf8(b));
}

function splitOnce(text: string, by: string): string[] {
  const at = text.indexOf(by);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + by.length)];
}
