import { ProtocolError, TtunError } from "../../base/errors.ts";
import { withoutControls } from "../../base/without_controls.ts";
import type { AcmeAnswer } from "../../contract/issuer.ts";

/** Where an authority takes requests (RFC 8555 section 7.1.1). */
export interface AcmeDirectory {
  readonly newNonce: string;
  readonly newAccount: string;
  readonly newOrder: string;
  /** Where it says when a certificate is to be renewed (RFC 9773); null = it does not. */
  readonly renewalInfo: string | null;
}

export type AcmeStatus = "pending" | "processing" | "ready" | "valid" | "invalid";

export interface AcmeOrder {
  readonly status: AcmeStatus;
  readonly authorizations: readonly string[];
  readonly finalize: string;
  /** Null = there is none yet. */
  readonly certificate: string | null;
  readonly words: string | null;
}

export interface AcmeAuthorization {
  readonly status: AcmeStatus;
  /** In lower case. */
  readonly name: string;
  /** The challenge in DNS; null = there is none. */
  readonly challenge: { readonly url: string; readonly token: string } | null;
  /** Why it failed, as the authority says it. */
  readonly words: string | null;
}

const STATUSES: readonly string[] = ["pending", "processing", "ready", "valid", "invalid"];

/** Names of one order, at most: so many an authority may ask proofs for. */
export const MOST_NAMES = 8;

/** Characters of an authority's own words that are shown. */
const MOST_WORDS = 300;

/** A refusal of an authority. */
export class IssuerError extends TtunError {
  /** The last part of its name in RFC 8555 section 6.7, as `rateLimited`; "" = it has none. */
  readonly reason: string;
  /** Milliseconds in which it does not want to be asked again. */
  readonly againMs: number;

  constructor(message: string, o: { reason?: string; againMs?: number; cause?: unknown } = {}) {
    super("unreachable", message, o.cause === undefined ? undefined : { cause: o.cause });
    this.reason = o.reason ?? "";
    this.againMs = o.againMs ?? 0;
  }
}

/** Reads what is no refusal. @throws {IssuerError} */
export function requireSuccess(answer: AcmeAnswer, what: string, nowMs: number): void {
  if (answer.status >= 200 && answer.status < 300) return;
  const { type, detail } = objectOf(answer.text) ?? {};
  const [, reason = ""] = /^urn:ietf:params:acme:error:([A-Za-z]{1,40})$/.exec(`${type}`) ?? [];
  const words = wordsOf(detail) ?? `HTTP ${answer.status}`;
  const againMs = retryAfter(answer, nowMs) ?? 0;
  throw new IssuerError(`The certificate authority refuses ${what}: ${words}`, { reason, againMs });
}

export function readDirectory({ text }: AcmeAnswer): AcmeDirectory {
  const fields = requireObject(text, "its directory");
  const { newNonce, newAccount, newOrder, renewalInfo } = fields;
  return {
    newNonce: requireUrl(newNonce),
    newAccount: requireUrl(newAccount),
    newOrder: requireUrl(newOrder),
    renewalInfo: renewalInfo === undefined ? null : requireUrl(renewalInfo),
  };
}

export function readOrder({ text }: AcmeAnswer): AcmeOrder {
  const { status, authorizations, finalize, certificate, error } = requireObject(text, "an order");
  if (!Array.isArray(authorizations) || authorizations.length > MOST_NAMES) {
    throw damaged("an order");
  }
  return {
    status: requireStatus(status),
    authorizations: authorizations.map(requireUrl),
    finalize: requireUrl(finalize),
    certificate: certificate === undefined ? null : requireUrl(certificate),
    words: wordsOf((error as { detail?: unknown } | undefined)?.detail),
  };
}

export function readAuthorization({ text }: AcmeAnswer): AcmeAuthorization {
  const { status, identifier, challenges } = requireObject(text, "an authorization");
  const name = (identifier as { value?: unknown } | undefined)?.value;
  if (typeof name !== "string" || !Array.isArray(challenges) || challenges.length > 20) {
    throw damaged("an authorization");
  }
  const isOther = (one: { type?: unknown } | null) => one?.type !== "dns-01";
  const found = challenges.find((one) => !isOther(one));
  return {
    status: requireStatus(status),
    name: name.toLowerCase(),
    challenge: found === undefined ? null : {
      url: requireUrl(found.url),
      token: requireToken(found.token),
    },
    words: wordsOf(found?.error?.detail),
  };
}

/** `text`: of a renewal's answer (RFC 9773 section 4.2). */
export function readRenewalInfo({ text }: AcmeAnswer): { start: number; end: number } {
  const { suggestedWindow } = requireObject(text, "the time of a renewal");
  const { start, end } = (suggestedWindow ?? {}) as { start?: unknown; end?: unknown };
  const times = [start, end].map((one) => typeof one === "string" ? Date.parse(one) : NaN);
  if (!times.every(Number.isFinite) || times[1]! < times[0]!) {
    throw damaged("the time of a renewal");
  }
  return { start: times[0]!, end: times[1]! };
}

/** Milliseconds that an answer says to wait (RFC 9110 section 10.2.3); null = it does not say. */
export function retryAfter({ fields }: AcmeAnswer, nowMs: number): number | null {
  const text = fields["retry-after"];
  if (text === undefined) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const until = Date.parse(text);
  return Number.isFinite(until) ? Math.max(0, until - nowMs) : null;
}

/** Splits what an authority gives into its certificates, the first one's first. */
export function readChain(text: string): string[] {
  const found = text.match(
    /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g,
  );
  if (found === null || found.length > 8) throw damaged("a certificate");
  return found.map((one) => `${one}\n`);
}

/** Reads an address of the authority's, which goes by TLS. @throws {ProtocolError} */
export function requireUrl(value: unknown): string {
  if (typeof value === "string" && value.length <= 2048 && /^https:\/\/[!-~]+$/.test(value)) {
    return value;
  }
  throw damaged("an address");
}

function requireToken(value: unknown): string {
  if (typeof value === "string" && /^[A-Za-z0-9_-]{16,200}$/.test(value)) return value;
  throw damaged("a challenge");
}

function requireStatus(value: unknown): AcmeStatus {
  if (typeof value === "string" && STATUSES.includes(value)) return value as AcmeStatus;
  if (["expired", "revoked", "deactivated"].includes(`${value}`)) return "invalid";
  throw damaged("a status");
}

function requireObject(text: string, what: string): Record<string, unknown> {
  const found = objectOf(text);
  if (found !== null) return found;
  throw damaged(what);
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : null;
  } catch {
    return null; // it is no JSON
  }
}

/** Others' words, for a log: of one line. */
function wordsOf(value: unknown): string | null {
  if (typeof value !== "string") return null;
  return withoutControls(value).slice(0, MOST_WORDS);
}

function damaged(what: string): ProtocolError {
  return new ProtocolError(`The certificate authority's answer cannot be read: ${what}`);
}
