import assert from "node:assert/strict";
import { requestOf } from "../steps_fixture.ts";
import { withForwarded } from "./forwarded.ts";

const lines = (fields: Record<string, string>, isTrusted = false, visitor = "192.0.2.7") =>
  withForwarded(
    requestOf({ fields: Object.entries(fields).map(([name, value]) => ({ name, value })) }),
    { visitor, isTrusted },
  ).fields.map(({ name, value }) => `${name}: ${value}`);

const OWN = [
  "X-Forwarded-For: 192.0.2.7",
  "X-Forwarded-Proto: https",
  "X-Forwarded-Host: shop.example",
  "Forwarded: for=192.0.2.7;host=shop.example;proto=https",
];

Deno.test("the visitor's address goes to the target for https too (frp #3533)", () => {
  assert.deepEqual(lines({ Accept: "*/*" }), ["Accept: */*", ...OWN]);
});

Deno.test("a visitor cannot say who he is, by no spelling of the names", () => {
  assert.deepEqual(
    lines({
      "x-forwarded-for": "10.0.0.1",
      "X_Forwarded_For": "10.0.0.1",
      "X-FORWARDED_PROTO": "http",
      "X-Forwarded-Host": "evil",
      "X-Forwarded-Port": "1",
      "X-Forwarded-Prefix": "/x",
      "X-Real-IP": "10.0.0.1",
      "x_real_ip": "10.0.0.1",
      Forwarded: "for=10.0.0.1",
    }),
    OWN,
  );
});

Deno.test("a trusted proxy's words are kept: its visitor, scheme and host (frp #4168)", () => {
  assert.deepEqual(
    lines({
      "X-Forwarded-For": "198.51.100.1, 198.51.100.2",
      "X-Forwarded-Proto": "HTTP",
      "X-Forwarded-Host": "www.example",
      Forwarded: "for=198.51.100.1",
    }, true),
    [
      "X-Forwarded-For: 198.51.100.1, 198.51.100.2, 192.0.2.7",
      "X-Forwarded-Proto: http",
      "X-Forwarded-Host: www.example",
      "Forwarded: for=198.51.100.1, for=192.0.2.7;host=www.example;proto=http",
    ],
  );
  const odd = lines({ "X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "a b" }, true);
  assert.deepEqual(odd, OWN);
});

Deno.test("an IPv6 address, and a host with a port, are quoted in Forwarded alone", () => {
  const { fields } = withForwarded(requestOf({ authority: "shop.example:8443" }), {
    visitor: "2001:db8::1",
    isTrusted: false,
  });
  assert.deepEqual(fields.map(({ value }) => value), [
    "2001:db8::1",
    "https",
    "shop.example:8443",
    'for="[2001:db8::1]";host="shop.example:8443";proto=https',
  ]);
});
