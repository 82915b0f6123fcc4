import { deepEqual } from "node:assert/strict";
import { concat } from "../../src/base/bytes.ts";
import { cString } from "../native.ts";
import { readKind } from "./link_kind.ts";
import { attribute, u32 } from "./netlink_message.ts";

/** An RTM_NEWLINK body with IFLA_LINKINFO (18) of a kind (1) and its facts (2). */
function body(kind: string, ...facts: Uint8Array[]): Uint8Array {
  const info = [attribute(1, cString(kind)), attribute(2, concat(...facts))];
  return concat(new Uint8Array(16), attribute(3, cString("x0")), attribute(18, concat(...info)));
}

Deno.test("link kind: driver, tap or tun, and queues", () => {
  const [tun, tap] = [attribute(3, new Uint8Array([1])), attribute(3, new Uint8Array([2]))];
  deepEqual(readKind(body("veth")), { kind: "veth" });
  deepEqual(readKind(body("tun", tun)), { kind: "tun" });
  deepEqual(readKind(body("tun", tap)), { kind: "tap" });
  deepEqual(readKind(body("tun", tun, attribute(8, u32(3)))), { kind: "tun", queues: 3 });
  deepEqual(readKind(body("tun", tun, attribute(8, new Uint8Array(2)))), { kind: "tun" });
  deepEqual(readKind(new Uint8Array(16)), null);
  deepEqual(readKind(concat(new Uint8Array(16), attribute(18, new Uint8Array()))), null);
});

Deno.test("link kind: a message cut anywhere is read without a fault", () => {
  const whole = body("tun", attribute(3, new Uint8Array([1])), attribute(8, u32(2)));
  for (let end = 0; end <= whole.length; end++) readKind(whole.subarray(0, end));
});
