import assert from "node:assert/strict";
import { constantTimeEqual, utf8 } from "../../../base/bytes.ts";
import { isAuthorized } from "./auth.ts";
import type { CheckPassword } from "../socks/socks5_server.ts";

const expect = (user: string, password: string): CheckPassword => (a, b) =>
  constantTimeEqual(a, utf8(user)) && constantTimeEqual(b, utf8(password));

function shown(auth: CheckPassword, ...values: string[]): boolean {
  return isAuthorized(values.map((value) => ({ name: "proxy-Authorization", value })), auth);
}

const basic = (text: string) => btoa(String.fromCharCode(...utf8(text)));

Deno.test("Basic shows user and password, in UTF-8, the first colon between them", () => {
  assert.ok(shown(expect("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")); // RFC 7617
  assert.ok(shown(expect("test", "123£"), "basic   dGVzdDoxMjPCow==")); // RFC 7617 section 2.1
  assert.ok(shown(expect("a", "b:c"), `BASIC ${basic("a:b:c")}`));
  assert.ok(shown(expect("", ""), `Basic ${basic(":")}`));
});

Deno.test("anything else is not authorized", () => {
  const yes: CheckPassword = () => true;
  assert.ok(!shown(expect("a", "b"), `Basic ${basic("a:c")}`));
  assert.ok(!shown(yes));
  assert.ok(!shown(yes, `Basic ${basic("a:b")}`, `Basic ${basic("a:b")}`));
  for (
    const value of [
      "",
      "Basic",
      "Basic ",
      `Basic ${basic("no colon")}`,
      `Basic${basic("a:b")}`,
      `Bearer ${basic("a:b")}`,
      "Basic YTpi=",
      "Basic Y",
      "Basic YTp_",
      "Basic YT pi",
      `Basic ${basic("a:b")}, x=y`,
    ]
  ) {
    assert.ok(!shown(yes, value), value);
  }
  assert.ok(!isAuthorized([{ name: "Authorization", value: `Basic ${basic("a:b")}` }], yes));
});
