import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { listenHost, parseListenRule } from "./listen_rule.ts";
import { ListenRules } from "./listen_rules.ts";

const rulesOf = (...texts: string[]) => new ListenRules(texts.map(parseListenRule));

/** Where a listen ends up: an address, `*` for all, `-` if it is refused. */
function bound(rules: ListenRules, asked: string | null, port: number): string {
  const verdict = rules.judge(asked, port);
  return verdict.isAllowed ? verdict.host || "*" : "-";
}

Deno.test("rules of listens are read", () => {
  const all = { first: 0, last: 65_535 };
  assert.deepEqual(parseListenRule("0-65535"), { host: null, port: all });
  const port = { first: 8080, last: 8080 };
  for (
    const [text, host] of [
      ["8080", null],
      ["127.0.0.1:8080", "127.0.0.1"],
      ["LocalHost:8080", "127.0.0.1"],
      ["192.0.2.1:8080", "192.0.2.1"],
      ["[2001:DB8::1]:8080", "2001:db8::1"],
      ["[::ffff:192.0.2.1]:8080", "192.0.2.1"],
      ["*:8080", ""],
      ["0.0.0.0:8080", ""],
      ["[::]:8080", ""],
    ] as const
  ) assert.deepEqual(parseListenRule(text), { host, port }, text);
  assert.deepEqual(parseListenRule("unix:/run//a"), { path: "/run/a" });
});

Deno.test("a rule of listens that cannot be read is a fault of usage", () => {
  const texts = "65536 80-70 :80 ::1:80 a.example:80 127.1:80 [x]:80 80- -80 *:* * 10.0.0.0/8:80 " +
    "[fe80::1%eth0]:80 unix:a unix: unix:/a/../b 80:90:100 192.0.2.1";
  for (const text of ["", " ", "80 ", ...texts.split(" ")]) {
    assert.throws(() => parseListenRule(text), { kind: "usage" }, text);
  }
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 20 }), (text) => {
    try {
      parseListenRule(text);
    } catch (error) {
      assert.ok(error instanceof TtunError && error.kind === "usage", String(error));
    }
  }));
});

Deno.test("without a rule nothing listens, and the sentence says what to write", () => {
  const rules = rulesOf();
  for (
    const [verdict, option] of [
      [rules.judge(null, 8080), "--permit-listen 8080"],
      [rules.judge("", 8080), '--permit-listen "*:8080"'],
      [rules.judge("::1", 8080), "--permit-listen [::1]:8080"],
      [rules.judge("192.0.2.1", 0), "--permit-listen 192.0.2.1:0"],
      [rules.judgePath("/run/docker.sock"), "--permit-listen unix:/run/docker.sock"],
      [rules.judgePath("/run/a b"), '--permit-listen "unix:/run/a b"'],
    ] as const
  ) {
    assert.ok(!verdict.isAllowed);
    assert.ok(verdict.why.endsWith(option), verdict.why);
    const text = option.slice("--permit-listen ".length);
    parseListenRule(text.startsWith('"') ? JSON.parse(text) : text);
  }
});

Deno.test("a rule without an address is for 127.0.0.1 alone", () => {
  const rules = rulesOf("8000-8099");
  for (const asked of [null, "127.0.0.1", "localhost", "::ffff:127.0.0.1"]) {
    assert.equal(bound(rules, asked, 8000), "127.0.0.1");
    assert.equal(bound(rules, asked, 8100), "-");
    assert.equal(bound(rules, asked, 0), "-", "a port that the system chooses");
  }
  for (const asked of ["", "*", "0.0.0.0", "::", "192.0.2.1", "127.0.0.2", "::1", "a.example"]) {
    assert.equal(bound(rules, asked, 8000), "-", asked);
  }
  assert.equal(bound(rulesOf("0"), null, 0), "127.0.0.1");
});

Deno.test("a listen without an address gets the one that was permitted", () => {
  assert.equal(bound(rulesOf("192.0.2.1:80"), null, 80), "192.0.2.1");
  assert.equal(bound(rulesOf("*:80"), null, 80), "*");
  assert.equal(bound(rulesOf("*:80", "80"), null, 80), "127.0.0.1");
  assert.equal(bound(rulesOf("192.0.2.1:81", "*:80"), null, 81), "192.0.2.1");
});

Deno.test("an address that is asked for is the one that is listened on, or it is refused", () => {
  const one = rulesOf("192.0.2.1:80", "[2001:db8::1]:80");
  assert.equal(bound(one, "192.0.2.1", 80), "192.0.2.1");
  assert.equal(bound(one, "::ffff:192.0.2.1", 80), "192.0.2.1");
  assert.equal(bound(one, "2001:DB8::1", 80), "2001:db8::1");
  for (const asked of ["*", "127.0.0.1", "192.0.2.2"]) assert.equal(bound(one, asked, 80), "-");
  const all = rulesOf("*:80");
  for (const asked of ["", "*", "0.0.0.0", "::"]) assert.equal(bound(all, asked, 80), "*");
  for (const asked of ["127.0.0.1", "192.0.2.1", "::1"]) {
    assert.equal(bound(all, asked, 80), asked);
  }
  for (const asked of ["a.example", "127.1", "fe80::1%eth0", "10.0.0.0/8"]) {
    assert.equal(bound(all, asked, 80), "-", asked);
    assert.equal(listenHost(asked), null);
  }
});

Deno.test("a unix socket is listened on where a rule has its very path", () => {
  const rules = rulesOf("unix:/run/app.sock", "*:0-65535");
  assert.deepEqual(rules.judgePath("/run//app.sock"), { isAllowed: true, path: "/run/app.sock" });
  for (const path of ["/run/docker.sock", "/run/x/../app.sock", "", "\0a", "/run/app.sock/"]) {
    assert.equal(rules.judgePath(path).isAllowed, false, JSON.stringify(path));
  }
});

Deno.test("other rules replace all that there were", () => {
  const rules = rulesOf("80", "unix:/a");
  rules.replace([parseListenRule("81")]);
  assert.deepEqual([bound(rules, null, 80), bound(rules, null, 81)], ["-", "127.0.0.1"]);
  assert.equal(rules.judgePath("/a").isAllowed, false);
});
