import assert from "node:assert/strict";
import { withoutApexCookies } from "./set_cookie.ts";

const judge = (value: string) =>
  withoutApexCookies([{ name: "set-COOKIE", value }], "tunnels.example.net").dropped;

Deno.test("a cookie for the apex or above is dropped, and named for the log", () => {
  for (
    const attributes of [
      "; Domain=tunnels.example.net",
      "; domain = .Tunnels.Example.NET ; Secure",
      ";DOMAIN=tunnels.example.net.",
      "; Domain=example.net",
      "; Domain=net",
      '; Domain="example.net"',
      "; Domain=shop.tunnels.example.net; Domain=example.net",
      "; Domain=example.net; Domain=shop.tunnels.example.net",
      "; Path=/; ; Domain=..example.net",
      "; Domain=exampl%65.net",
      "; Domain=example%2Enet",
      "; Domain=example\xe3\x80\x82net",
    ]
  ) assert.deepEqual(judge(`session=a=b${attributes}`), ["session"], attributes);
});

Deno.test("other cookies stay as they are", () => {
  for (
    const value of [
      "a=b",
      "a=b; Domain=shop.tunnels.example.net",
      "a=b; Domain=",
      "a=b; Domain",
      "a=Domain=example.net",
      "a=b; Domain=ple.net",
      "a=b; Domain=customer.example",
      "Domain=example.net",
      "",
    ]
  ) assert.deepEqual(judge(value), [], value);
  const fields = [{ name: "Set-Cookie", value: "a=b" }, { name: "X", value: "; Domain=net" }];
  assert.equal(withoutApexCookies(fields, "a.net").fields, fields);
  const two = [{ name: "Set-Cookie", value: "a=b; Domain=net" }, ...fields];
  assert.deepEqual(withoutApexCookies(two, "a.net").fields, fields);
});
