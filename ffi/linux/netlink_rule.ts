import { concat } from "../../src/base/bytes.ts";
import { attribute, attributes, u32, view } from "./netlink_message.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

// Constants and layout of linux/fib_rules.h.

/** struct fib_rule_hdr: u8 family, dst_len, src_len, tos, table, two reserved, action; u32 flags */
export const RULE_SIZE = 12;

const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_PROTOCOL = 21; // since Linux 4.17
const FR_ACT_TO_TBL = 1;
const FIB_RULE_INVERT = 0x2;

/** A rule that looks a table up for packets with a mark, for those without, or for all. */
export interface Rule {
  readonly family: 4 | 6;
  /** The rule with the lowest number comes first. */
  readonly priority: number;
  readonly table: number;
  /** Absent = 0, which is for all packets. */
  readonly mark?: number;
  /** The rule is for packets without the mark. */
  readonly isInverted?: boolean;
  /** RTPROT_…, by the kind of program that added the rule. */
  readonly protocol: number;
}

export function packRule(rule: Rule): Uint8Array {
  const head = new Uint8Array(RULE_SIZE);
  head[0] = rule.family === 4 ? AF_INET : AF_INET6;
  head[7] = FR_ACT_TO_TBL;
  view(head).setUint32(8, rule.isInverted === true ? FIB_RULE_INVERT : 0, true);
  return concat(
    head,
    attribute(FRA_PRIORITY, u32(rule.priority)),
    rule.mark === undefined ? new Uint8Array() : attribute(FRA_FWMARK, u32(rule.mark)),
    attribute(FRA_TABLE, u32(rule.table)),
    attribute(FRA_PROTOCOL, Uint8Array.of(rule.protocol)),
  );
}

/** Returns null for rules of other families, such as those for multicast routes. */
export function readRule(body: Uint8Array): Rule | null {
  if (body.length < RULE_SIZE) return null;
  if (body[0] !== AF_INET && body[0] !== AF_INET6) return null;
  const found = attributes(body.subarray(RULE_SIZE));
  const number = (type: number) => {
    const value = found.get(type);
    return value === undefined || value.length < 4 ? 0 : view(value).getUint32(0, true);
  };
  const mark = number(FRA_FWMARK);
  return {
    family: body[0] === AF_INET ? 4 : 6,
    priority: number(FRA_PRIORITY),
    table: found.has(FRA_TABLE) ? number(FRA_TABLE) : body[4]!,
    ...(mark !== 0 && { mark }),
    ...((view(body).getUint32(8, true) & FIB_RULE_INVERT) !== 0 && { isInverted: true }),
    protocol: found.get(FRA_PROTOCOL)?.[0] ?? 0,
  };
}
