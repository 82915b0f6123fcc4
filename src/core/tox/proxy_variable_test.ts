import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../base/errors.ts";
import { parseToxProxy } from "./proxy_variable.ts";

Deno.test("proxies of both kinds are read in any case", () => {
  const socks = { kind: "socks5", host: "127.0.0.1", port: 9050 };
  assert.deepEqual(parseToxProxy("socks5://127.0.0.1:9050"), socks);
  assert.deepEqual(parseToxProxy("SOCKS5H://127.0.0.1:9050/"), socks);
  assert.deepEqual(parseToxProxy("http://proxy.example:3128"), {
    ...{ kind: "http", host: "proxy.example", port: 3128 },
  });
  assert.equal(parseToxProxy("socks5://[2001:db8::1]:1080").host, "2001:db8::1");
});

for (
  const text of [
    "",
    "socks4://127.0.0.1:1080",
    "127.0.0.1:1080",
    "http://user:password@proxy.example:3128",
    "socks5://127.0.0.1",
    "socks5://127.0.0.1:0",
    "socks5://127.0.0.1:65536",
    "http://proxy.example:3128/path",
  ]
) {
  Deno.test(`${JSON.stringify(text)} is refused, and not told`, () => {
    assert.throws(
      () => parseToxProxy(text),
      (error) => error instanceof TtunError && !error.message.includes("password"),
    );
  });
}

Deno.test("no text breaks it otherwise than by a TtunError", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      parseToxProxy(`socks5://${text}`);
    } catch (error) {
      assert.ok(error instanceof TtunError);
    }
  }));
});
