import type { HttpRequest, HttpResponse } from "../http/exchange.ts";
import { type HeaderRule, withRules } from "./header_rules.ts";
import type { PasswordChecks } from "./password_checks.ts";
import { type LimitRules, type LimitVerdict, TunnelLimits } from "./tunnel_limits.ts";
import { ownerOf } from "./failure_limit.ts";
import { VisitorGuard, type VisitorRules } from "./visitor_rules.ts";

/** Rules of a tunnel for its visitors and their messages; they cross to a Worker. */
export interface EntranceRules {
  readonly visitors: VisitorRules;
  readonly limits: LimitRules;
  /** Changes of requests, before the service gets them, and of responses, before visitors do. */
  readonly requestFields: readonly HeaderRule[];
  readonly responseFields: readonly HeaderRule[];
}

export type Entered =
  | {
    readonly kind: "pass";
    /** The request as the service is to have it. */
    readonly head: HttpRequest;
    /** To be called once, at the end of the exchange. */
    readonly leave: () => void;
  }
  | { readonly kind: "refuse"; readonly status: 401 | 403; readonly challenge: string }
  /** Too many wrong logins; or too many requests, in which case it says when there is room again. */
  | { readonly kind: "wait"; readonly seconds: number | null }
  /** Too many requests at once. */
  | { readonly kind: "busy" };

/**
 * Judges the requests to a tunnel: where they come from, then how many of one visitor, then the login,
 * and at last how many there are of all, so that nobody without a login takes from that.
 */
export class Entrance {
  readonly #rules: EntranceRules;
  readonly #guard: VisitorGuard;
  readonly #limits: TunnelLimits;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(rules: EntranceRules, now: () => number, checks: PasswordChecks) {
    this.#rules = rules;
    this.#guard = new VisitorGuard(rules.visitors, now, checks);
    this.#limits = new TunnelLimits(rules.limits, now);
  }

  /** `visitor`: the address of the visitor's socket. */
  enter(given: HttpRequest, visitor: string): Entered {
    if (!this.#guard.allows(visitor)) return { kind: "refuse", status: 403, challenge: "" };
    const owner = ownerOf(visitor);
    const begun = this.#limits.begin(owner);
    if (begun.kind !== "pass") return refusalOf(begun);
    const entered = this.#enter(given, visitor);
    if (entered.kind !== "pass") this.#limits.end(owner);
    return entered;
  }

  /** Returns a response as visitors are to have it. */
  respond(head: HttpResponse): HttpResponse {
    const { responseFields } = this.#rules;
    if (responseFields.length === 0 || head.status < 200) return head;
    return { ...head, fields: withRules(head.fields, responseFields) };
  }

  #enter(given: HttpRequest, visitor: string): Entered {
    const verdict = this.#guard.judge(given, visitor);
    if (verdict.kind === "refuse") {
      const { status, challenge } = verdict;
      return status === 429
        ? { kind: "wait", seconds: null }
        : { kind: "refuse", status, challenge };
    }
    const entered = this.#limits.enter();
    if (entered.kind !== "pass") return refusalOf(entered);
    const { requestFields } = this.#rules;
    const { head } = verdict;
    return {
      kind: "pass",
      head: requestFields.length === 0
        ? head
        : { ...head, fields: withRules(head.fields, requestFields) },
      leave: () => {
        this.#limits.leave();
        this.#limits.end(ownerOf(visitor));
      },
    };
  }
}

function refusalOf(verdict: Exclude<LimitVerdict, { kind: "pass" }>): Entered {
  return verdict.kind === "many" ? { kind: "busy" } : { kind: "wait", seconds: verdict.seconds };
}
