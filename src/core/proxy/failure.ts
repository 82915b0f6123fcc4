import {
  NameError,
  type NameReason,
  type TtunError,
  UnreachableError,
  type UnreachableReason,
} from "../../base/errors.ts";
import type { Field } from "../http/fields.ts";
import { formatTarget, type Target } from "../../base/target.ts";

/**
 * Failures to connect to a target, as each protocol says them: SOCKS5 by RFC 1928 section 6, SOCKS4
 * with one code, HTTP with RFC 9209 section 2.3's statuses (403 for denials) and error types.
 */
interface Report {
  readonly socks5: number;
  readonly status: number;
  readonly type: string;
  readonly words: (target: string) => string;
}

const REPORTS = {
  /** The rules deny it: `--deny`, or what is denied unless there is an `--allow`. */
  denied: {
    socks5: 2,
    status: 403,
    type: "destination_ip_prohibited",
    words: (to) =>
      `The rules of the proxy's server deny connections to ${to}. Private, local and reserved ` +
      "addresses are denied unless the server is started with --allow ADDRESS/PREFIX.",
  },
  name: {
    socks5: 4,
    status: 502,
    type: "dns_error",
    words: (to) => `The name in ${to} does not resolve. Check how it is spelt.`,
  },
  name_silent: {
    socks5: 4,
    status: 504,
    type: "dns_timeout",
    words: (to) => `The name in ${to} does not resolve at the moment: no name server answers.`,
  },
  name_failed: {
    socks5: 4,
    status: 502,
    type: "dns_error",
    words: (to) => `The name in ${to} does not resolve at the moment: its name servers fail.`,
  },
  network_unreachable: {
    socks5: 3,
    status: 502,
    type: "destination_ip_unroutable",
    words: (to) => `There is no way to the network of ${to}.`,
  },
  host_unreachable: {
    socks5: 4,
    status: 502,
    type: "destination_ip_unroutable",
    words: (to) => `There is no way to ${to}, or its name does not resolve.`,
  },
  refused: {
    socks5: 5,
    status: 502,
    type: "connection_refused",
    words: (to) => `${to} refused the connection. Does its server run?`,
  },
  /** SOCKS5 has no better code than "TTL expired". */
  timeout: {
    socks5: 6,
    status: 504,
    type: "connection_timeout",
    words: (to) => `${to} did not answer in time.`,
  },
  exhausted: {
    socks5: 1,
    status: 503,
    type: "connection_limit_reached",
    words: (to) => `The proxy has no room for a connection to ${to}. Try again later.`,
  },
  /** A client of ttun has no connection to its server. */
  tunnel: {
    socks5: 1,
    status: 503,
    type: "destination_unavailable",
    words: (to) => `Cannot connect to ${to}: there is no connection to the proxy's server.`,
  },
  general: {
    socks5: 1,
    status: 502,
    type: "destination_unavailable",
    words: (to) => `Cannot connect to ${to}.`,
  },
} as const satisfies Record<string, Report>;

export type Failure = keyof typeof REPORTS;

/** All failures, the most telling first: of several attempts' the first here is told. */
export const FAILURES: readonly Failure[] = [
  "refused",
  "timeout",
  "exhausted",
  "denied",
  "host_unreachable",
  "network_unreachable",
  "name",
  "name_silent",
  "name_failed",
  "tunnel",
  "general",
];

/** Returns the failure that says most; `general` when there is none. */
export function mostTelling(failures: Iterable<Failure>): Failure {
  const seen = new Set(failures);
  return FAILURES.find((failure) => seen.has(failure)) ?? "general";
}

export function failureOf(error: TtunError): Failure {
  switch (error.kind) {
    case "name":
      return error instanceof NameError ? NAME_FAILURES[error.reason] : "name";
    case "timeout":
    case "exhausted":
      return error.kind;
    case "unreachable":
      return UNREACHABLE_FAILURES[error instanceof UnreachableError ? error.reason : "host"];
    default:
      return "general";
  }
}

const NAME_FAILURES: Readonly<Record<NameReason, Failure>> = {
  missing: "name",
  invalid: "name",
  silent: "name_silent",
  failed: "name_failed",
};

const UNREACHABLE_FAILURES: Readonly<Record<UnreachableReason, Failure>> = {
  refused: "refused",
  network: "network_unreachable",
  host: "host_unreachable",
};

export function socks5Code(failure: Failure): number {
  return REPORTS[failure].socks5;
}

const FROM_SOCKS5: readonly Failure[] = [
  "general", // 0 is success: whoever asks about it has a broken peer
  "general",
  "denied",
  "network_unreachable",
  "host_unreachable",
  "refused",
  "timeout",
];

export function failureOfSocks5(code: number): Failure {
  return FROM_SOCKS5[code] ?? "general";
}

/** CD of a SOCKS4 reply: granted, or rejected or failed (others speak of identd). */
export const SOCKS4_GRANTED = 90;
export const SOCKS4_REJECTED = 91;

/** An answer in HTTP; `words` are plain ASCII, one line without its end. */
export interface HttpFailure {
  readonly status: number;
  readonly type: string;
  readonly words: string;
}

export function httpFailure(failure: Failure, target: Target): HttpFailure {
  const { status, type, words } = REPORTS[failure];
  return { status, type, words: words(formatTarget(target)) };
}

/** Tells programs that the answer is the proxy's, not the target's, and why (RFC 9209). */
export function proxyStatus(type: string): Field {
  return { name: "Proxy-Status", value: `proxy; error=${type}` };
}
