import assert from "node:assert/strict";
import fc from "fast-check";
import { parseCidr } from "../../base/addr.ts";
import type { HttpRequest } from "../http/exchange.ts";
import { Entrance, type EntranceRules } from "./entrance.ts";
import { readHeaderRule, withRules } from "./header_rules.ts";
import { PasswordChecks } from "./password_checks.ts";
import { type LimitRules, NO_LIMITS } from "./tunnel_limits.ts";
import { hashesOf, type VisitorRules } from "./visitor_rules.ts";

const SALT = new Uint8Array(16);
const HEAD: HttpRequest = {
  ...{ method: "GET", scheme: "https", authority: "a", path: "/", hasBody: false, upgrade: null },
  fields: [{ name: "Accept", value: "*/*" }],
};

function lab(limits: Partial<LimitRules>, o: Partial<VisitorRules & EntranceRules> = {}) {
  const at = { now: 0 };
  const visitors = {
    ...{ allow: null, hashes: null, salt: SALT, slow: [], asksBrowser: false },
    ...o,
  };
  const all = { limits: { ...NO_LIMITS, ...limits }, requestFields: [], responseFields: [] };
  const rules = { visitors, ...all, ...o };
  const now = () => at.now;
  const checks = new PasswordChecks(now, () => new Uint8Array());
  const entrance = new Entrance(rules, now, checks);
  const enter = (visitor = "192.0.2.1", head = HEAD) => entrance.enter(head, visitor);
  const kinds = (count: number, visitor?: string) =>
    Array.from({ length: count }, () => enter(visitor).kind).join(" ");
  return { at, entrance, enter, kinds };
}

Deno.test("of a visitor and of all so many requests pass in a second, five times as many at once", () => {
  const { at, enter, kinds } = lab({ rate: 3, visitorRate: 1 });
  assert.equal(kinds(6), "pass pass pass pass pass wait");
  assert.deepEqual(enter(), { kind: "wait", seconds: 1 });
  assert.equal(kinds(6, "192.0.2.2"), "pass pass pass pass pass wait");
  at.now += 1000;
  assert.equal(kinds(2), "pass wait");
  assert.equal(kinds(6, "2001:db8::1"), "pass pass pass pass pass wait");
  assert.equal(kinds(1, "2001:db8::2"), "wait"); // everybody has a /64
  assert.equal(kinds(3, "192.0.2.3"), "pass pass wait");
});

Deno.test("so many are under way at a time, of a visitor and of all", () => {
  const { enter, kinds } = lab({ concurrent: 3, visitorConcurrent: 2 });
  const first = enter();
  assert.equal(kinds(2), "pass busy");
  assert.equal(kinds(2, "192.0.2.2"), "pass busy");
  assert(first.kind === "pass");
  first.leave();
  assert.equal(kinds(2, "192.0.2.2"), "pass busy");
});

Deno.test("strangers take nothing of the share of those who have a login, or may come", () => {
  const hashes = hashesOf(SALT, [], "token");
  const { enter, kinds } = lab({ rate: 1, concurrent: 1 }, {
    ...{ hashes, allow: [parseCidr("192.0.2.0/24")] },
  });
  assert.equal(kinds(20), Array(20).fill("refuse").join(" "));
  assert.equal(kinds(20, "198.51.100.1"), Array(20).fill("refuse").join(" "));
  const login = { name: "Authorization", value: "Bearer token" };
  const known = { ...HEAD, fields: [login] };
  assert.equal(enter("192.0.2.9", known).kind, "pass");
  assert.equal(enter("192.0.2.9", known).kind, "busy");
});

Deno.test("fields are set, added and removed", () => {
  const fields = [{ name: "A", value: "1" }, { name: "b", value: "2" }, { name: "a", value: "3" }];
  const changed = (...rules: string[]) =>
    withRules(fields, rules.map(readHeaderRule)).map(({ name, value }) => `${name}=${value}`)
      .join(" ");
  assert.equal(changed(), "A=1 b=2 a=3");
  assert.equal(changed("a: x: y"), "b=2 a=x: y");
  assert.equal(changed("+A:x"), "A=1 b=2 a=3 A=x");
  assert.equal(changed("-a", "c:"), "b=2 c=");
  const { entrance, enter } = lab({}, {
    requestFields: [readHeaderRule("-accept")],
    responseFields: [readHeaderRule("X-Frame-Options: DENY")],
  });
  const entered = enter();
  assert(entered.kind === "pass" && entered.head.fields.length === 0);
  const head = { status: 200, reason: "", fields: [], upgrade: null };
  const frame = [{ name: "X-Frame-Options", value: "DENY" }];
  assert.deepEqual(entrance.respond(head), { ...head, fields: frame });
  assert.deepEqual(entrance.respond({ ...head, status: 103 }).fields, []);
});

Deno.test("fields of the connection, and what is none, are refused", () => {
  for (
    const text of [
      ...["", "a", ":", ": x", "a b: c", "-a: b", "+a", "a: b\nc: d", "a: ä€", "ä: b"],
      ...["Host: x", "-connection", "+Transfer-Encoding: chunked", "content-length: 5", "TE: x"],
    ]
  ) {
    assert.throws(() => readHeaderRule(text), { kind: "usage" }, text);
  }
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    try {
      const { value } = readHeaderRule(`x: ${text}`);
      assert.doesNotMatch(value, /[\r\n\0]/);
    } catch (error) {
      assert.equal((error as { kind: string }).kind, "usage");
    }
  }));
});
