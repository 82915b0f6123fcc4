import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { formatRule, parseRule } from "./rule.ts";

/** The rules of a text, as they are written most plainly. */
function read(text: string): string {
  return parseRule(text).map(formatRule).join(" ");
}

Deno.test("networks, names and paths are read, with ports where they may have some", () => {
  const cases: [string, string][] = [
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.1.2.3", "10.1.2.3/32"],
    ["10.0.0.0/8:443", "10.0.0.0/8:443"],
    ["10.0.0.0/8:8000-8099", "10.0.0.0/8:8000-8099"],
    ["10.0.0.0/8:443-443", "10.0.0.0/8:443"],
    ["[2001:db8::]/32:25", "[2001:db8::/32]:25"],
    ["[2001:db8::/32]:25", "[2001:db8::/32]:25"],
    ["[2001:db8::1]:1-65535", "[2001:db8::1/128]:1-65535"],
    ["[2001:db8::]/32", "2001:db8::/32"],
    ["2001:db8::/32", "2001:db8::/32"],
    ["fd00::25", "fd00::25/128"],
    ["*:25", "*:25 *:25"],
    ["*:1-1023", "*:1-1023 *:1-1023"],
    ["example.net", "example.net"],
    ["Example.NET.:80", "example.net:80"],
    ["*.example.net", "*.example.net"],
    ["*.example.net.:8000-8099", "*.example.net:8000-8099"],
    ["*.net:443", "*.net:443"],
    ["localhost", "localhost"],
    ["_dmarc.example.net", "_dmarc.example.net"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["unix", "unix"],
    ["unix:80", "unix:80"],
    ["unix:/run/app.sock", "unix:/run/app.sock"],
    ["unix:/run//./a:80", "unix:/run/a:80"],
  ];
  for (const [text, wanted] of cases) assert.equal(read(text), wanted, text);
});

Deno.test("a rule that cannot be read is a fault of usage that says what to write", () => {
  const cases: [string, RegExp][] = [
    ["", /10\.0\.0\.0\/8/],
    ["*", /\*\.example\.net/],
    ["*.", /\*\.example\.net/],
    ["*.*.net", /\*\.example\.net/],
    ["a.*.net", /\*\.example\.net/],
    ["*.10.0.0.1", /\*\.example\.net/],
    ["127.1", /10\.0\.0\.0\/8/],
    ["0x7f.1:80", /10\.0\.0\.0\/8/],
    ["example.net/8", /\*\.example\.net/],
    ["http://example.net", /\*\.example\.net/],
    ["a b", /\*\.example\.net/],
    [`${"a".repeat(64)}.net`, /\*\.example\.net/],
    ["example.net:", /FROM-TO/],
    ["example.net:http", /FROM-TO/],
    ["example.net:0", /from 1 to 65535/],
    ["example.net:65536", /from 1 to 65535/],
    ["example.net:90-80", /smaller port first, as 80-90/],
    ["example.net:80-", /FROM-TO/],
    ["10.0.0.0]:80", /10\.0\.0\.0\/8/],
    ["[[::1]]:80", /10\.0\.0\.0\/8/],
    ["fe80::1%eth0", /leave the interface/],
    ["unix:run/app.sock", /unix:\/PATH/],
    ["unix:", /unix:\/PATH/],
    ["unix:/", /from the root on/],
    ["unix:/run/../etc", /without "\.\."/],
    [`unix:/${"a".repeat(107)}`, /at most 107 bytes/],
  ];
  for (const [text, words] of cases) {
    assert.throws(() => parseRule(text), (error) => {
      assert.ok(error instanceof TtunError && error.kind === "usage", text);
      assert.match(error.message, words, text);
      return true;
    });
  }
});

Deno.test("any text is a fault of usage, or rules that read as they are written", () => {
  const part = fc.constantFrom(
    ...["*", ".", ":", "/", "[", "]", "-", "%", "unix:/", "example", "net", "10.0.0.0", "fd00::"],
    ...["8", "25", "443", "65536", "..", "é", "\0", " "],
  );
  const text = fc.oneof(
    { weight: 4, arbitrary: fc.array(part, { maxLength: 7 }).map((parts) => parts.join("")) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 30 }) },
  );
  let taken = 0;
  fc.assert(
    fc.property(text, (text) => {
      try {
        const rules = parseRule(text);
        taken++;
        const again = rules.length === 1 ? rules.map(formatRule) : [formatRule(rules[0]!)];
        assert.deepEqual(again.flatMap(parseRule), rules);
      } catch (error) {
        assert.ok(error instanceof TtunError && error.kind === "usage", String(error));
      }
    }),
    { numRuns: 5000 },
  );
  assert.ok(taken > 200, `${taken}`);
});
