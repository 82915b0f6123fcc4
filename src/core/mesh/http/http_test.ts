import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../../base/errors.ts";
import {
  decodeTokens,
  encodeTokens,
  findToken,
  makeToken,
  mayUse,
  parseVerbs,
} from "./api_token.ts";
import { isLocalName, isReserved, parseDuration, routeOf } from "./route.ts";

const RANDOM = Uint8Array.from({ length: 36 }, (_, i) => i);
const MADE = makeToken(RANDOM, { verbs: ["get", "put"], prefix: "kv/app/", created: 5 });

Deno.test("a token is found by its text alone, and what is kept does not tell the text", () => {
  const kept = encodeTokens([MADE.token]);
  const [token] = decodeTokens(kept);
  assert.deepEqual(token, MADE.token);
  assert.deepEqual(findToken([token!], MADE.text), token);
  const secret = MADE.text.slice(-43);
  assert(!new TextDecoder().decode(kept).includes(secret));
  for (let at = 0; at < MADE.text.length - 1; at++) {
    const changed = MADE.text.slice(0, at) + (MADE.text[at] === "a" ? "b" : "a") +
      MADE.text.slice(at + 1);
    assert.equal(findToken([token!], changed), null, changed);
  }
  assert.equal(findToken([], MADE.text), null);
});

Deno.test("a token is for its verbs and its keys", () => {
  assert(mayUse(MADE.token, "get", "kv/app/x"));
  assert(!mayUse(MADE.token, "get", "kv/apple"));
  assert(!mayUse(MADE.token, "delete", "kv/app/x"));
  assert(!mayUse(MADE.token, "admin"));
  assert.deepEqual(parseVerbs("get, watch"), ["get", "watch"]);
  assert.throws(() => parseVerbs("get,write"), TtunError);
});

Deno.test("a file of tokens with garbage in it is refused", () => {
  fc.assert(fc.property(fc.json(), (text) => {
    assert.throws(() => decodeTokens(new TextEncoder().encode(text)), TtunError);
  }));
});

Deno.test("paths name keys, lists, watches and leases", () => {
  assert.deepEqual(routeOf("/v1/kv/kv/app/a.b"), { kind: "key", key: "kv/app/a.b" });
  assert.deepEqual(routeOf("/v1/kv/kv%2Fapp%2Fx"), { kind: "key", key: "kv/app/x" });
  assert.deepEqual(routeOf("/v1/kv/kv/app/"), { kind: "list", prefix: "kv/app/" });
  assert.deepEqual(routeOf("/v1/watch/kv/"), { kind: "watch", prefix: "kv/" });
  assert.deepEqual(routeOf("/v1/lease/acme"), { kind: "lease", name: "acme" });
  assert.deepEqual(routeOf("/v1/health"), { kind: "health" });
  assert.deepEqual(routeOf("/metrics"), { kind: "metrics" });
});

Deno.test("other paths are none, and no path throws", () => {
  const wrong = [
    "/",
    "/v2/kv/kv/a",
    "/v1/kv/alone",
    "/v1/kv/kv//x",
    "/v1/kv/kv/a b",
    "/v1/kv/%zz/x",
    "/v1/kv/kv/%00",
    `/v1/kv/kv/${"a/".repeat(300)}x`,
    "/v1/lease/",
    "/v1/health/x",
  ];
  for (const path of wrong) assert.equal(routeOf(path), null, path);
  fc.assert(fc.property(fc.string(), (text) => void routeOf(`/v1/kv/${text}`)));
});

Deno.test("durations have a number and a unit", () => {
  const read = ["500ms", "30s", "2m", "1h", "0s", "5", "-1s", "1d", ""].map(parseDuration);
  assert.deepEqual(read, [500, 30_000, 120_000, 3600_000, null, null, null, null, null]);
});

Deno.test("only this machine's own names are taken for it", () => {
  for (const name of ["localhost", "LOCALHOST:20205", "127.0.0.1:1", "[::1]:5", null]) {
    assert(isLocalName(name), String(name));
  }
  for (const name of ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1"]) {
    assert(!isLocalName(name), name);
  }
  assert(isReserved("conf/core") && !isReserved("kv/conf/x"));
});
