import assert from "node:assert/strict";
import { BypassRules, parseDirectFile } from "./bypass_rules.ts";
import { makeTarget } from "../../base/target.ts";

function matched(entries: string[], hosts: string): string {
  const rules = new BypassRules(entries);
  return hosts.split(" ").map((host) => rules.matches(makeTarget(host, 1).host) ? "+" : "-").join(
    "",
  );
}

Deno.test("a domain is itself and what is below it, at the border of a label", () => {
  const hosts = "example.com EXAMPLE.com. a.b.example.com badexample.com example.com.evil.org com";
  for (const entry of ["example.com", "Example.COM", ".example.com", "example.com."]) {
    assert.equal(matched([entry], hosts), "+++---", entry);
  }
  assert.equal(matched(["com"], "com a.com com.org acom"), "++--");
  assert.equal(
    matched(["localhost", "lan"], "localhost a.localhost printer.lan lan.example"),
    "+++-",
  );
});

Deno.test("networks and addresses match addresses only", () => {
  assert.equal(matched(["10.0.0.0/8"], "10.1.2.3 ::ffff:10.1.2.3 11.0.0.1 ::1"), "++--");
  assert.equal(matched(["fd00::/8", "192.0.2.1"], "fd12::1 fc00::1 192.0.2.1 192.0.2.2"), "+-+-");
  assert.equal(matched(["::ffff:10.0.0.0/104"], "10.1.2.3"), "+");
  assert.equal(matched(["0.0.0.0/0", "::/0"], "1.2.3.4 ::1 example.com"), "++-");
  assert.equal(matched([], "1.2.3.4 example.com"), "--");
});

Deno.test("an entry that is neither is a fault of usage", () => {
  for (
    const entry of [
      "",
      ".",
      "..a",
      "*.example.com",
      "a b",
      "10.0.0.0/33",
      "1.2.3",
      "http://a/",
      "a:80",
      "é.de",
    ]
  ) {
    assert.throws(() => new BypassRules([entry]), { name: "TtunError", kind: "usage" }, entry);
  }
});

Deno.test("a file has one entry a line, comments and empty lines", () => {
  const text = "\ufeff# ours\r\n10.0.0.0/8\n\n  example.com\t# and all below\n#x\r.lan\n::1";
  assert.deepEqual(parseDirectFile(text), ["10.0.0.0/8", "example.com", ".lan", "::1"]);
  assert.deepEqual(parseDirectFile(""), []);
  assert.throws(() => parseDirectFile("a\n# b\nb c\n"), /^TtunError: Line 3: Cannot read "b c"/);
});
