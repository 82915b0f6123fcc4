import assert from "node:assert/strict";
import { fromLatin1 } from "../../../base/latin1.ts";
import { utf8 } from "../../../base/bytes.ts";
import { splitUserinfo } from "./userinfo.ts";

const refused = { name: "TtunError", kind: "protocol", status: 400 };

/** Bytes of the credentials, one a character. */
function credentials(authority: string): string | null {
  const { authorization } = splitUserinfo(authority);
  if (authorization === null) return null;
  assert.match(authorization, /^Basic [A-Za-z0-9+/]+={0,2}$/);
  return atob(authorization.slice("Basic ".length));
}

Deno.test("user and password of an address become Basic credentials, their bytes as they are meant", () => {
  const cases: [string, string | null][] = [
    ["a.example", null],
    ["user:pass@a.example:81", "user:pass"],
    ["user:@a", "user:"],
    ["user@a", "user:"],
    [":pass@a", ":pass"],
    ["@a", null],
    [":@a", null],
    ["u:a:b@a", "u:a:b"],
    ["u%3a:p%40x%2F@a", "u::p@x/"],
    ["m%C3%BCller:p%C3%A4ss@a", fromLatin1(utf8("müller:päss"))],
    [`${fromLatin1(utf8("müller"))}:x@a`, fromLatin1(utf8("müller:x"))],
    ["100%:%zz%2@a", "100%:%zz%2"],
    ["a.example:80@b.example", "a.example:80"],
    ["-._~!$&'()*+,;=:\"<>^`{|}@a", "-._~!$&'()*+,;=:\"<>^`{|}"],
  ];
  for (const [authority, wanted] of cases) {
    assert.equal(credentials(authority), wanted, authority);
    assert.equal(splitUserinfo(authority).hostPort, authority.slice(authority.indexOf("@") + 1));
  }
});

Deno.test("what could mean two hosts is refused, and what no credentials can have, without its bytes", () => {
  const wrong = ["a@b@c", "a\\@b", "[::1]@b", "u:[x@b", "u]:x@b", "u%00:x@a", "u:sec%0d%0aret@a"];
  for (const authority of [...wrong, "u:secret%7f@a"]) {
    assert.throws(() => splitUserinfo(authority), (error: Error) => {
      assert.equal((error as unknown as { status: number }).status, refused.status);
      assert.ok(!error.message.includes("sec"), error.message);
      return true;
    }, authority);
  }
});
