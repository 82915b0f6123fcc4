import assert from "node:assert/strict";
import { parseCidr, parseIp } from "../../base/addr.ts";
import { parseRules } from "../../../tests/fake/rules.ts";
import { Acl } from "./acl.ts";
import { parseRule } from "./rule.ts";

interface Lists {
  allow?: string[];
  deny?: string[];
}

/** `+` for each address that is allowed, `-` for each that is not. */
function judged({ allow = [], deny = [] }: Lists, addresses: string): string {
  const rules = parseRules({ allow, deny });
  return addresses.split(" ").map((ip) => rules.judge(parseIp(ip)!, 443).isAllowed ? "+" : "-")
    .join("");
}

Deno.test("without rules the internet is allowed, and no special address in any disguise", () => {
  assert.equal(
    judged({}, "1.1.1.1 2606:4700::1111 ::ffff:1.1.1.1 64:ff9b::1.1.1.1 2002:101:101::1"),
    "+++++",
  );
  const denied = "10.0.0.1 127.0.0.1 0.0.0.0 169.254.169.254 255.255.255.255 100.64.0.1 ::1 :: " +
    "fd00::1 fe80::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::127.0.0.1 " +
    "64:ff9b::10.0.0.1 2002:7f00:1:: 2002:c0a8:101::1 ::127.0.0.1 ::7f00:1 64:ff9b:1::1";
  assert.equal(judged({}, denied), "-".repeat(20));
});

Deno.test("an explicit rule holds before what is special or not", () => {
  assert.equal(judged({ allow: ["10.0.0.0/8"] }, "10.1.2.3 11.0.0.1 192.168.0.1"), "++-");
  assert.equal(judged({ allow: ["10.1.2.3"] }, "10.1.2.3 10.1.2.4"), "+-");
  assert.equal(judged({ allow: ["0.0.0.0/0"] }, "127.0.0.1 10.0.0.1 ::1"), "++-");
  assert.equal(judged({ deny: ["1.1.0.0/16"] }, "1.1.1.1 1.2.1.1"), "-+");
});

Deno.test("the longest prefix holds, and the denial where both are as long", () => {
  const deeper = { deny: ["10.0.0.0/8"], allow: ["10.1.0.0/16"] };
  assert.equal(judged(deeper, "10.1.0.1 10.2.0.1"), "+-");
  const shallower = { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] };
  assert.equal(judged(shallower, "10.1.0.1 10.2.0.1"), "-+");
  const registration = { allow: ["10.0.0.0/8", "1.1.1.1"], deny: ["10.255.0.0/8", "1.1.1.1/32"] };
  assert.equal(judged(registration, "10.1.0.1 1.1.1.1"), "--");
});

Deno.test("all can be denied but what is listed", () => {
  const lists = { deny: ["0.0.0.0/0", "::/0"], allow: ["203.0.113.0/24", "2001:db8::/32"] };
  assert.equal(
    judged(lists, "203.0.113.9 1.1.1.1 2001:db8::1 2606:4700::1 ::ffff:1.1.1.1"),
    "+-+--",
  );
  assert.equal(judged(lists, "64:ff9b::1.1.1.1 64:ff9b::203.0.113.9"), "--");
});

Deno.test("an address with IPv4 inside must be allowed as that, and denied by no rule itself", () => {
  assert.equal(
    judged({ allow: ["10.0.0.0/8"] }, "::ffff:10.0.0.1 64:ff9b::10.0.0.1 2002:a00:1::"),
    "+++",
  );
  assert.equal(
    judged({ deny: ["1.1.1.1"] }, "::ffff:1.1.1.1 64:ff9b::1.1.1.1 2002:101:101::"),
    "---",
  );
  assert.equal(judged({ allow: ["::/0"] }, "::ffff:10.0.0.1 64:ff9b::10.0.0.1 fd00::1"), "--+");
  assert.equal(judged({ allow: ["64:ff9b::/96"] }, "64:ff9b::10.0.0.1 64:ff9b::1.1.1.1"), "-+");
  assert.equal(judged({ deny: ["64:ff9b::/96"] }, "64:ff9b::1.1.1.1 1.1.1.1"), "-+");
  assert.equal(judged({ deny: ["::/0"] }, "::ffff:1.1.1.1 1.1.1.1 2002:101:101::"), "++-");
});

Deno.test("a mapped network is the IPv4 network that it is", () => {
  assert.equal(judged({ allow: ["::ffff:10.0.0.0/104"] }, "10.1.1.1 ::ffff:10.1.1.1"), "++");
  assert.equal(judged({ deny: ["::ffff:1.1.1.1"] }, "1.1.1.1 1.1.1.2"), "-+");
});

Deno.test("the log is told which rule it was", () => {
  const rules = parseRules({ allow: ["10.1.2.3/8"], deny: ["1.1.1.1"] });
  const why = (ip: string) => rules.judge(parseIp(ip)!, 443).why;
  assert.equal(why("10.9.9.9"), "--allow 10.0.0.0/8");
  assert.equal(why("1.1.1.1"), "--deny 1.1.1.1/32");
  assert.equal(why("::ffff:1.1.1.1"), "--deny 1.1.1.1/32");
  assert.equal(why("64:ff9b::127.0.0.1"), "the address is loopback");
  assert.equal(why("8.8.8.8"), "no rule");
});

Deno.test("a rule that is no network and no name is a fault of usage", () => {
  for (const text of ["", "10.0.0.0/33", "10.0.0", "example.com/8", "::/129", "10.0.0.0/8 "]) {
    assert.throws(() => parseRules({ allow: [text], deny: [] }), { kind: "usage" }, text);
    assert.throws(() => parseRules({ allow: [], deny: [text] }), { kind: "usage" }, text);
  }
});

Deno.test("the machine's own addresses are denied in every spelling, unless a rule allows them", () => {
  const own = new Set(["93.184.0.7", "2001:470::7"].map((ip) => parseIp(ip)!.join()));
  const isOwn = (ip: Uint8Array) => own.has(ip.join());
  const judge = (ip: string, allow: string[] = []) =>
    parseRules({ allow, deny: [], isOwn }).judge(parseIp(ip)!, 443);
  for (const ip of ["93.184.0.7", "::ffff:93.184.0.7", "64:ff9b::93.184.0.7", "2001:470::7"]) {
    assert.equal(judge(ip).isAllowed, false, ip);
  }
  assert.match(judge("2001:470::7").why, /one of this server's own/);
  assert.equal(judge("2001:470::8").isAllowed, true);
  assert.equal(judge("2001:470::7", ["2001:470::7"]).isAllowed, true);
});

Deno.test("port 25 takes a rule that names it; a rule with a port is for that port alone", () => {
  const judge = (lists: Lists, ip: string, port: number) =>
    parseRules({ allow: [], deny: [], ...lists }).judge(parseIp(ip)!, port).isAllowed;
  for (const [ip, family] of [["8.8.8.8", "0.0.0.0/0"], ["2600::1", "::/0"]] as const) {
    assert.equal(judge({}, ip, 25), false);
    assert.equal(judge({ allow: [family] }, ip, 25), false);
    assert.equal(judge({ allow: ["*:25"] }, ip, 25), true);
    assert.equal(judge({ allow: ["*:25"] }, ip, 587), true);
    for (const special of ["127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "fd00::1"]) {
      assert.equal(judge({ allow: ["*:25"] }, special, 25), false, special);
    }
    const one = ip.includes(":") ? `[${ip}]:25` : `${ip}:25`;
    assert.equal(judge({ allow: [one] }, ip, 25), true);
    assert.equal(judge({ deny: ["*:443"] }, ip, 443), false);
    assert.equal(judge({ deny: ["*:443"] }, ip, 80), true);
    assert.equal(judge({ allow: ["*:25"], deny: [ip] }, ip, 25), false);
  }
  assert.equal(judge({ allow: ["10.0.0.0/8:443"] }, "10.1.1.1", 443), true);
  assert.equal(judge({ allow: ["10.0.0.0/8:443"] }, "10.1.1.1", 80), false);
  assert.equal(judge({ allow: ["[fd00::/8]:443"] }, "fd00::1", 443), true);
  assert.equal(judge({ allow: ["[fd00::]/8:443"] }, "fd00::1", 80), false);
  for (const text of ["*:0", "*:65536", "1.1.1.1:99999", "*", "*:x", "[::1", "::1]:25x"]) {
    assert.throws(() => parseRule(text), { kind: "usage" }, text);
  }
  assert.deepEqual(parseRule("fd00::25"), [{ cidr: parseCidr("fd00::25"), port: null }]);
});

Deno.test("of rules with the same prefix the one with fewer ports holds, then the denial", () => {
  const judge = (lists: Lists, port: number) =>
    parseRules({ allow: [], deny: [], ...lists }).judge(parseIp("10.1.1.1")!, port).isAllowed;
  const range = { allow: ["10.0.0.0/8:8000-8099"] };
  assert.deepEqual([7999, 8000, 8050, 8099, 8100].map((port) => judge(range, port)), [
    ...[false, true, true, true, false],
  ]);
  const hole = { allow: ["10.0.0.0/8:1-1000"], deny: ["10.0.0.0/8:443"] };
  assert.deepEqual([80, 443].map((port) => judge(hole, port)), [true, false]);
  const gap = { allow: ["10.0.0.0/8:443"], deny: ["10.0.0.0/8:1-1000"] };
  assert.deepEqual([80, 443].map((port) => judge(gap, port)), [false, true]);
  const tie = { allow: ["10.0.0.0/8:1-9"], deny: ["10.0.0.0/8:1-9"] };
  assert.equal(judge(tie, 5), false);
  const longer = { allow: ["10.1.0.0/16"], deny: ["10.0.0.0/8:443"] };
  assert.equal(judge(longer, 443), true);
});

Deno.test("port 25 is opened by no range, and by no rule that denies it elsewhere", () => {
  const judge = (lists: Lists, ip: string) =>
    parseRules({ allow: [], deny: [], ...lists }).judge(parseIp(ip)!, 25).isAllowed;
  assert.equal(judge({ allow: ["8.0.0.0/8:1-1023"] }, "8.8.8.8"), false);
  assert.equal(judge({ allow: ["*:1-1023"] }, "8.8.8.8"), false);
  assert.equal(judge({ allow: ["8.0.0.0/8"], deny: ["*:25"] }, "8.8.8.8"), false);
  assert.equal(judge({ allow: ["8.0.0.0/8:25"], deny: ["*:25"] }, "8.8.8.8"), true);
  assert.equal(judge({ allow: ["*:25"], deny: ["*:1-1023"] }, "8.8.8.8"), true);
  assert.equal(judge({ allow: ["*:25"], deny: ["*:25"] }, "8.8.8.8"), false);
});

Deno.test("other rules replace all that there were, and the machine's own addresses stay denied", () => {
  const own = parseIp("8.8.4.4")!;
  const acl = new Acl({
    allow: parseRule("10.0.0.0/8"),
    deny: parseRule("9.9.9.9"),
    isOwn: (ip) => ip.every((byte, i) => byte === own[i]),
  });
  const allowed = () =>
    ["10.1.1.1", "9.9.9.9", "192.168.1.1", "8.8.4.4"].map((ip) =>
      acl.judge(parseIp(ip)!, 80).isAllowed
    );
  assert.deepEqual(allowed(), [true, false, false, false]);
  acl.replace({ allow: [...parseRule("192.168.0.0/16"), ...parseRule("unix:/a")], deny: [] });
  assert.deepEqual(allowed(), [false, true, true, false]);
  assert.equal(acl.judgePath("/a").isAllowed, true);
  acl.replace({ allow: [], deny: parseRule("a.example") });
  assert.deepEqual(allowed(), [false, true, false, false]);
  assert.equal(acl.judgeName("a.example", 80)?.isAllowed, false);
  assert.equal(acl.judgePath("/a").isAllowed, false);
});
