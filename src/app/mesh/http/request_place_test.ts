import assert from "node:assert/strict";
import fc from "fast-check";
import { placeOf } from "./request_place.ts";

function sameAsUrl(url: string): void {
  const { pathname, searchParams } = new URL(url);
  const { path, query } = placeOf(url);
  assert.equal(path, pathname, url);
  for (const name of [...searchParams.keys(), "ttl", "a", "b"]) {
    assert.equal(query.get(name), searchParams.get(name), `${name} of ${url}`);
    assert.equal(query.has(name), searchParams.has(name), `${name} of ${url}`);
  }
}

Deno.test("path and query of a request are those of its URL", () => {
  const host = "http://127.0.0.1:20206";
  const rest = [
    "/v1/kv/node/b3/k1",
    "/v1/kv/node/b3/k1?ttl=1h&stale",
    "/v1/kv/node/b3/?limit=5&after=node%2Fb3%2Fk",
    "/v1/kv/./node/../x",
    "/v1/kv/..",
    "/v1/kv/.hidden/x",
    "/v1/kv/a%2fb",
    "/",
    "",
    "//x",
    "/a?#b",
    "/metrics?a=+b",
    "/metrics?a ",
    "/metrics?a b",
    "/metrics??a",
    "/metrics?&a&&b=&a=2&=3&ttl==&",
    "/metrics?ttl=5s=6&ttlx=1&b",
  ];
  for (const end of rest) sameAsUrl(host + end);
  const part = fc.stringMatching(/^[a-zA-Z0-9._~%?&=#:;@!$'()*,+\[\]\\ -]{0,8}$/);
  fc.assert(fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
    const url = `${host}/${parts.join("/")}`;
    if (URL.canParse(url)) sameAsUrl(url);
  }));
});
