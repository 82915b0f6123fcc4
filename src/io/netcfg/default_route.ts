import { type Cidr, formatCidr, networkOf } from "../../base/addr.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import type { Netlink } from "../../../ffi/linux/netlink.ts";
import type { NewRoute, Route } from "../../../ffi/linux/netlink_route.ts";
import type { Rule } from "../../../ffi/linux/netlink_rule.ts";
import type { Change, Journal } from "../changes/journal.ts";
import { undoStep } from "../changes/undo.ts";
import { TTUN_PROTOCOL } from "../changes/undo_step.ts";
import { attempt } from "./linux.ts";

/** The first number that is tried for the table; nothing else is known to use it. */
const FIRST_TABLE = 29_812;
const MOST_TABLES = 16;

const FAMILIES = [4, 6] as const;

/** An entry of the table; `beside` goes on with the rules behind, as if there were no tunnel. */
export interface WantedRoute {
  readonly to: Cidr;
  readonly way: "tunnel" | "refused" | "beside";
}

export interface DefaultRouteOptions {
  readonly libc: Libc;
  /** The caller keeps the ownership. */
  readonly netlink: Netlink;
  readonly journal: Journal;
  /** The device, and its interface index. */
  readonly device: string;
  readonly tunnel: number;
  /** The mark of packets that do not look the table up. */
  readonly mark: number;
}

/** Families in which this kernel has rules. */
export function familiesWithRules(netlink: Netlink): (4 | 6)[] {
  const rules = netlink.rules();
  return FAMILIES.filter((one) => rules.some(({ family }) => family === one));
}

/**
 * Routes all packets of the machine by a table of its own, as wg-quick does: a rule sends there
 * whatever has not the mark. The rule comes before those of others. Dispose takes all of it away.
 */
export class DefaultRoute implements Disposable {
  readonly #o: DefaultRouteOptions;
  readonly #table: number;
  readonly #priorities: ReadonlyMap<4 | 6, number>;
  readonly #changes: Change[] = [];

  /** @throws {TtunError} privilege, system, in_use */
  constructor(o: DefaultRouteOptions, wanted: readonly WantedRoute[]) {
    this.#o = o;
    const { netlink, journal } = o;
    this.#table = freeTable(netlink);
    const rules = netlink.rules();
    this.#priorities = new Map(
      familiesWithRules(netlink).map((family) => [family, firstPriority(rules, family)]),
    );
    try {
      const routes = { kind: "routes", table: this.#table } as const;
      this.#changes.push(journal.make(routes, () => this.#setRoutes(wanted)));
      for (const [family, priority] of this.#priorities) {
        const { mark } = o;
        const rule = { kind: "rule", family, priority, table: this.#table, mark } as const;
        this.#changes.push(journal.make(rule, () => this.#setRule(family)));
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get table(): number {
    return this.#table;
  }

  /** Puts back what others have taken away, too. @throws {TtunError} privilege, system */
  update(wanted: readonly WantedRoute[]): void {
    this.#setRoutes(wanted);
    const { netlink } = this.#o;
    const present = netlink.rules().filter(({ protocol, table }) =>
      protocol === TTUN_PROTOCOL && table === this.#table
    );
    for (const family of this.#priorities.keys()) {
      if (present.every((rule) => rule.family !== family)) this.#setRule(family);
    }
  }

  #setRoutes(wanted: readonly WantedRoute[]): void {
    const { netlink, device } = this.#o;
    const present = netlink.tableRoutes(this.#table)
      .filter(({ protocol }) => protocol === TTUN_PROTOCOL);
    const missing = new Map(
      wanted.filter(({ to }) => this.#priorities.has(to.family))
        .map((one) => [`${formatCidr(networkOf(one.to))} ${one.way}`, one]),
    );
    const surplus = present.filter((route) => !missing.delete(this.#textOf(route)));
    for (const { to, way } of missing.values()) {
      const add = () => netlink.addRoute(this.#route(networkOf(to), way), "before");
      attempt(
        device,
        `send all traffic by ${device}`,
        `ip route add ${formatCidr(to)} dev ${device} table ${this.#table}`,
        to.family === 6 ? () => unlessIpv6IsOff(add) : add,
      );
    }
    for (const route of surplus) removeIfThere(netlink, route);
  }

  #textOf({ to, index, isUnicast, refusal }: Route): string {
    const isOurs = isUnicast && index === this.#o.tunnel;
    const way = refusal === "unreachable" ? "refused" : refusal === "throw" ? "beside" : "tunnel";
    return isOurs || refusal !== undefined ? `${formatCidr(to)} ${way}` : "";
  }

  #route(to: Cidr, way: WantedRoute["way"]): NewRoute {
    const base = { to, table: this.#table, protocol: TTUN_PROTOCOL };
    if (way === "tunnel") return { ...base, index: this.#o.tunnel };
    return { ...base, index: 0, refusal: way === "refused" ? "unreachable" : "throw" };
  }

  #setRule(family: 4 | 6): void {
    const { netlink, device, mark } = this.#o;
    const rule: Rule = {
      family,
      priority: this.#priorities.get(family)!,
      table: this.#table,
      mark,
      isInverted: true,
      protocol: TTUN_PROTOCOL,
    };
    attempt(
      device,
      `send all traffic by ${device}`,
      `ip -${family} rule add not fwmark ${mark} lookup ${this.#table}`,
      () => netlink.addRule(rule),
      family,
    );
  }

  /** The rules go first: without its routes the table would be passed over. */
  [Symbol.dispose](): void {
    for (const { step, forget } of this.#changes.splice(0).toReversed()) {
      undoStep(step, this.#o.libc);
      forget();
    }
  }
}

/** Without IPv6 nothing is to be routed; it is looked at again with the next change. */
function unlessIpv6IsOff(add: () => void): void {
  try {
    add();
  } catch (error) {
    const isOff = error instanceof NativeError &&
      error.is("EACCES", "EOPNOTSUPP", "EAFNOSUPPORT", "EINVAL");
    if (!isOff) throw error;
  }
}

/** @throws {NativeError} EBUSY if all are taken */
function freeTable(netlink: Netlink): number {
  const rules = netlink.rules();
  for (let table = FIRST_TABLE; table < FIRST_TABLE + MOST_TABLES; table++) {
    const isUsed = rules.some((rule) => rule.table === table) ||
      netlink.tableRoutes(table).length > 0;
    if (!isUsed) return table;
  }
  throw new NativeError("a free routing table", 16);
}

/** Returns a number before all others but the local table's. */
function firstPriority(rules: readonly Rule[], family: 4 | 6): number {
  const others = rules.filter((rule) => rule.family === family && rule.priority > 0);
  return Math.max(1, Math.min(...others.map(({ priority }) => priority), 32_766) - 1);
}

function removeIfThere(netlink: Netlink, route: Route): void {
  try {
    netlink.removeRoute(route);
  } catch (error) {
    if (!(error instanceof NativeError && error.is("ESRCH", "ENODEV"))) throw error;
  }
}
