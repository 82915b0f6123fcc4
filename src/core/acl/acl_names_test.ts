import assert from "node:assert/strict";
import { parseIp } from "../../base/addr.ts";
import { parseRules } from "../../../tests/fake/rules.ts";

interface Lists {
  readonly allow?: string[];
  readonly deny?: string[];
  readonly own?: string;
}

/** Judges a name and then an address that it has resolved to. */
function judge(lists: Lists, name: string, ip: string, port = 443) {
  const isOwn = (ip: Uint8Array) => lists.own !== undefined && `${ip}` === `${parseIp(lists.own)}`;
  const rules = parseRules({ allow: [], deny: [], ...lists, isOwn });
  return rules.judge(parseIp(ip)!, port, rules.judgeName(name, port));
}

/** `+`, `-` or `0` for each name: allowed, denied, no rule. */
function named(lists: Lists, names: string, port = 443): string {
  const rules = parseRules({ allow: [], deny: [], ...lists });
  return names.split(" ").map((name) => {
    const verdict = rules.judgeName(name, port);
    return verdict === null ? "0" : verdict.isAllowed ? "+" : "-";
  }).join("");
}

const ONLY_NAMES = ["0.0.0.0/0", "::/0"];

Deno.test("a name is judged as it is asked for, in any case, with or without its last dot", () => {
  const lists = { allow: ["Example.net"], deny: ["*.example.org."] };
  assert.equal(named(lists, "example.net EXAMPLE.NET example.net. www.example.net"), "+++0");
  assert.equal(named(lists, "a.example.org a.b.Example.ORG. example.org xexample.org"), "--00");
  assert.equal(named(lists, "net example.net.example.com 10.0.0.1 127.1 ::1 a..b"), "000000");
});

Deno.test("of names the more specific holds, then fewer ports, then the denial", () => {
  const deeper = { allow: ["*.b.example"], deny: ["*.example"] };
  assert.equal(named(deeper, "a.b.example b.example c.example"), "+--");
  const shallower = { deny: ["*.b.example"], allow: ["*.example"] };
  assert.equal(named(shallower, "a.b.example b.example c.example"), "-++");
  const exact = { allow: ["a.b.example"], deny: ["*.b.example:443"] };
  assert.equal(named(exact, "a.b.example c.b.example"), "+-");
  const tie = { allow: ["a.example", "*.example"], deny: ["a.example", "*.example"] };
  assert.equal(named(tie, "a.example b.example"), "--");
  const ports = { allow: ["a.example:443"], deny: ["a.example:1-1023", "b.example:80-90"] };
  assert.equal(named(ports, "a.example b.example"), "+0");
  assert.equal(named(ports, "a.example b.example", 80), "--");
  assert.equal(named(ports, "a.example b.example", 8080), "00");
});

Deno.test("a denied name is denied wherever it leads to", () => {
  const lists = { allow: ["8.0.0.0/8"], deny: ["bad.example"] };
  const verdict = judge(lists, "bad.example", "8.8.8.8");
  assert.deepEqual(verdict, { isAllowed: false, why: "--deny bad.example" });
  assert.equal(judge(lists, "good.example", "8.8.8.8").isAllowed, true);
});

Deno.test("an allowed name counts more than what is for all addresses, less than any network", () => {
  const lists = { allow: ["*.example:443"], deny: [...ONLY_NAMES, "8.8.0.0/16", "*:1-1023"] };
  assert.equal(judge(lists, "a.example", "1.1.1.1").isAllowed, true);
  assert.equal(judge(lists, "a.example", "2600::1").isAllowed, true);
  assert.equal(judge(lists, "a.example", "64:ff9b::1.1.1.1").isAllowed, true);
  assert.equal(judge(lists, "a.example", "1.1.1.1", 80).isAllowed, false);
  assert.equal(judge(lists, "b.test", "1.1.1.1").isAllowed, false);
  for (const ip of ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]) {
    assert.equal(judge(lists, "a.example", ip).why, "--deny 8.8.0.0/16", ip);
  }
});

Deno.test("an allowed name opens no special address, and none of the machine's own", () => {
  const lists = { allow: ["*.example", "localhost"], deny: ONLY_NAMES, own: "93.184.0.7" };
  const special = "127.0.0.1 10.0.0.1 192.168.1.1 169.254.169.254 0.0.0.0 ::1 :: fe80::1 fd00::1 " +
    "::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 " +
    "64:ff9b:1::1 2002:7f00:1:: ::127.0.0.1 100.64.0.1 224.0.0.1 255.255.255.255 93.184.0.7 " +
    "64:ff9b::93.184.0.7 ::ffff:93.184.0.7";
  for (const ip of special.split(" ")) {
    for (const one of [lists, { ...lists, deny: [] }]) {
      const verdict = judge(one, "rebinding.example", ip);
      assert.equal(verdict.isAllowed, false, ip);
      assert.match(verdict.why, /, and --allow \*\.example is for the name alone$/);
    }
  }
  assert.equal(judge(lists, "localhost", "127.0.0.1").isAllowed, false);
  const both = { ...lists, allow: ["*.example", "127.0.0.1", "10.0.0.0/8:443", "93.184.0.7"] };
  for (const ip of ["127.0.0.1", "::ffff:127.0.0.1", "10.1.1.1", "93.184.0.7"]) {
    assert.equal(judge(both, "a.example", ip).isAllowed, true, ip);
  }
  assert.equal(judge(both, "a.example", "10.1.1.1", 80).isAllowed, false);
  assert.equal(judge(both, "a.example", "127.0.0.2").isAllowed, false);
});

Deno.test("port 25 of a name takes a rule for that port alone", () => {
  const open = (allow: string[], more: Lists = {}) =>
    judge({ allow, ...more }, "mail.example", "8.8.8.8", 25).isAllowed;
  assert.equal(open([]), false);
  assert.equal(open(["mail.example"]), false);
  assert.equal(open(["*.example:1-1023"]), false);
  assert.equal(open(["mail.example:25"]), true);
  assert.equal(open(["*.example:25"], { deny: ONLY_NAMES }), true);
  assert.equal(open(["*.example:25"], { deny: ["mail.example"] }), false);
  assert.equal(open(["mail.example"], { deny: ["*.example"] }), false);
  assert.equal(open(["mail.example", "*:25"]), true);
  assert.equal(open(["8.8.8.8:25"]), true);
});

Deno.test("a unix socket takes a rule for its very path", () => {
  const rules = parseRules({
    allow: ["unix:/run/app.sock", "unix:/run/both.sock", "0.0.0.0/0", "run"],
    deny: ["unix:/run/both.sock"],
  });
  for (const path of ["/run/app.sock", "/run//app.sock", "/./run/./app.sock"]) {
    assert.deepEqual(rules.judgePath(path), { isAllowed: true, why: "--allow unix:/run/app.sock" });
  }
  for (
    const path of [
      ...["/run/docker.sock", "/var/run/app.sock", "/run/app.sock/", "/run/x/../app.sock", "/run"],
      ...["run/app.sock", "", "/", "/run/app.sock\0", "\0run/app.sock", "/RUN/app.sock"],
    ]
  ) assert.equal(rules.judgePath(path).isAllowed, false, JSON.stringify(path));
  assert.equal(rules.judgePath("/run/both.sock").why, "--deny unix:/run/both.sock");
});
