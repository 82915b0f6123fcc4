import { deepEqual, equal } from "node:assert/strict";
import { concat } from "../../src/base/bytes.ts";
import { cString } from "../native.ts";
import { attribute, u32 } from "./netlink_message.ts";
import { readTunLink } from "./netlink_tun.ts";

const [OWNER, TYPE, PERSIST] = [1, 3, 6];
const one = (type: number, value: number) => attribute(type, new Uint8Array([value]));

/** An RTM_NEWLINK body with the name, the alias (20), and IFLA_LINKINFO (18). */
function body(kind: string, alias: string, ...facts: Uint8Array[]): Uint8Array {
  const info = concat(attribute(1, cString(kind)), attribute(2, concat(...facts)));
  const head = new Uint8Array(16);
  head[4] = 7;
  const words = alias === "" ? [] : [attribute(20, cString(alias))];
  return concat(head, attribute(3, cString("ttun0")), ...words, attribute(18, info));
}

Deno.test("a TUN device that stays: name, words and owner", () => {
  const facts = [attribute(OWNER, u32(1000)), one(TYPE, 1), one(PERSIST, 1)];
  const { name, index, alias, owner } = readTunLink(body("tun", "for alice", ...facts))!;
  deepEqual({ name, index, alias, owner }, {
    name: "ttun0",
    index: 7,
    alias: "for alice",
    owner: 1000,
  });
  const rootsOwn = readTunLink(body("tun", "", ...facts.slice(1)))!;
  deepEqual([rootsOwn.alias, rootsOwn.owner], ["", null]);
});

Deno.test("other links are none: no TUN driver, mode tap, a device that goes with its program", () => {
  equal(readTunLink(body("veth", "x")), null);
  equal(readTunLink(body("tun", "x", one(TYPE, 2), one(PERSIST, 1))), null);
  equal(readTunLink(body("tun", "x", one(TYPE, 1), one(PERSIST, 0))), null);
  equal(readTunLink(new Uint8Array(16)), null);
});

Deno.test("a message cut anywhere is read without a fault", () => {
  const whole = body("tun", "x", attribute(OWNER, u32(1)), one(TYPE, 1), one(PERSIST, 1));
  for (let end = 16; end <= whole.length; end++) readTunLink(whole.subarray(0, end));
});
