import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { makeTarget } from "../../base/target.ts";
import { parseTunnelRules, permitsTunnel } from "./rules.ts";

function permits(text: string, host: string, port: number): boolean {
  return permitsTunnel(parseTunnelRules(text), makeTarget(host, port));
}

Deno.test("a rule is for its host and port, with : or @", () => {
  const text = "# ssh\n\n 127.0.0.1:22 \r\nExample.net@443\n[2001:db8::1]:80\n";
  assert(permits(text, "127.0.0.1", 22));
  assert(permits(text, "EXAMPLE.net", 443));
  assert(permits(text, "2001:db8:0::1", 80));
  assert(!permits(text, "127.0.0.1", 23));
  assert(!permits(text, "127.0.0.2", 22));
  assert(!permits(text, "www.example.net", 443));
});

Deno.test("* is any host and 0 any port, and the last port counts too", () => {
  assert(permits("*:22", "example.net", 22) && !permits("*:22", "example.net", 23));
  assert(permits("localhost:0", "localhost", 65535) && !permits("localhost:0", "other", 1));
  assert(permits("*@0", "2001:db8::2", 1));
  assert(permits("localhost:65535", "localhost", 65535));
});

Deno.test("a file without a rule permits nothing", () => {
  for (const text of ["", "\n", "# *:0\n"]) assert(!permits(text, "localhost", 22));
});

Deno.test("a line that is no rule is an error that says which", () => {
  const wrong = [
    "localhost",
    "localhost:",
    "localhost:65536",
    ":22",
    "a b:1",
    "*.net:1",
    "127.1:1",
  ];
  for (const line of [...wrong, `${"a.".repeat(49)}a:22`, "localhost:-1", "[x]:1"]) {
    assert.throws(() => parseTunnelRules(`*:22\n${line}`), /line 2 of the file of rules/, line);
  }
});

Deno.test("no text breaks the reader otherwise", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseTunnelRules(text);
    } catch (error) {
      assert(error instanceof TtunError && error.kind === "usage");
    }
  }));
});
