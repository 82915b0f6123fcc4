import { deepEqual, equal } from "node:assert/strict";
import { fromHex, toHex } from "../../src/base/bytes.ts";
import { packRule, readRule } from "./netlink_rule.ts";

/** `not fwmark 0x7474756e lookup 29812`, laid out as in linux/fib_rules.h. */
const NOT_MARKED = "020000000000000102000000" + "08000600fd7f0000" + "08000a006e757474" +
  "08000f0074740000" + "0500150074000000";

const RULE = {
  family: 4,
  priority: 32765,
  table: 0x7474,
  mark: 0x7474756e,
  isInverted: true,
  protocol: 116,
} as const;

Deno.test("rule: what is packed is what the kernel's headers say", () => {
  equal(toHex(packRule(RULE)), NOT_MARKED);
  deepEqual(readRule(fromHex(NOT_MARKED)), RULE);
});

Deno.test("rule: one for all packets has no mark, and one of another family is none", () => {
  const all = { family: 6, priority: 32766, table: 254, protocol: 2 } as const;
  deepEqual(readRule(packRule(all)), all);
  equal(readRule(fromHex("80" + NOT_MARKED.slice(2))), null);
  equal(readRule(new Uint8Array(4)), null);
});
