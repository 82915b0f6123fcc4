import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { formatSharedLink, isSharedLink, parseSharedLink, type SharedLink } from "./shared_link.ts";

const PLAIN: SharedLink = {
  ...{ key: utf8("vbYTtPqk3wU4yhDZ1s0dLQ"), host: "example.net", port: 20203 },
  ...{ range: null, isOnlyV2: false, cipher: null },
};

Deno.test("links have the form that the page has", () => {
  const links: [string, Partial<SharedLink>][] = [
    ["ttun://vbYTtPqk3wU4yhDZ1s0dLQ@example.net:20203", {}],
    ["ttun://vbYTtPqk3wU4yhDZ1s0dLQ@[2001:db8::1]:443", { host: "2001:db8::1", port: 443 }],
    [
      "ttun://a%20b%40%2F%25%C3%BC@192.0.2.1:1?wire=v2&cipher=aes-256-gcm",
      { key: utf8("a b@/%ü"), host: "192.0.2.1", port: 1, isOnlyV2: true, cipher: "aes-256-gcm" },
    ],
    [
      "ttun://vbYTtPqk3wU4yhDZ1s0dLQ@example.net?range=20000-30000",
      { port: null, range: { first: 20_000, last: 30_000 } },
    ],
  ];
  for (const [text, more] of links) {
    assert.equal(formatSharedLink({ ...PLAIN, ...more }), text);
    assert.deepEqual(parseSharedLink(text), { ...PLAIN, ...more });
  }
  assert.deepEqual(parseSharedLink("TTUN://vbYTtPqk3wU4yhDZ1s0dLQ@example.net:20203/"), PLAIN);
  assert.equal(isSharedLink("TtUn://x"), true);
  assert.equal(isSharedLink("ttun:20203"), false);
});

Deno.test("what is no link is refused, and nothing of it is repeated", () => {
  const bad = [
    ...["ttun://", "ttun://secret", "ttun://secret@", "ttun://@host:1", "http://secret@host:1"],
    ...[
      "ttun://secret@host",
      "ttun://secret@host:0",
      "ttun://secret@host:65536",
      "ttun://secret@host:x",
    ],
    ...["ttun://secret@host:1#x", "ttun://secret@host:1/path", "ttun://se cret@host:1"],
    ...["ttun://sec%ret@host:1", "ttun://%FF@host:1", "ttun://secret@host:1?up=reboot"],
    ...[
      "ttun://secret@host:1?exec=sh",
      "ttun://secret@host:1?cipher=rot13",
      "ttun://secret@host:1?wire=v1",
    ],
    ...[
      "ttun://secret@host:1?range=1-2",
      "ttun://secret@host?range=x",
      `ttun://secret@host:1?${"a".repeat(3000)}`,
    ],
    ...["ttun://secret@ex@host:1", "ttun://secret@::1:1"],
  ];
  for (const text of bad) {
    assert.throws(() => parseSharedLink(text), (error: TtunError) => {
      assert.equal(error.kind, "usage", text);
      assert.doesNotMatch(error.message, /secret|reboot|rot13/);
      return true;
    }, text);
  }
});

Deno.test("what could not be read again is not written", () => {
  const long = (count: number) => ({ ...PLAIN, key: utf8("%".repeat(count)) });
  const rest = formatSharedLink({ ...PLAIN, key: utf8("x") }).length - 1;
  const most = Math.floor((2048 - rest) / 3);
  assert.deepEqual(parseSharedLink(formatSharedLink(long(most))), long(most));
  assert.throws(
    () => formatSharedLink(long(most + 1)),
    /^TtunError: Cannot make a link: it would have 20\d\d characters, and 2048 .* shorter key/,
  );
  const bad: Partial<SharedLink>[] = [
    ...[{ host: "" }, { port: 0 }, { port: null }, { range: { first: 20_000, last: 30_000 } }],
    { key: new Uint8Array() },
  ];
  for (const more of bad) {
    assert.throws(() => formatSharedLink({ ...PLAIN, ...more }), TtunError, JSON.stringify(more));
  }
});

Deno.test("whatever the key is, it comes back; whatever comes is read or refused", () => {
  fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" }), (text) => {
    const key = utf8(text);
    const written = formatSharedLink({ ...PLAIN, key });
    assert.match(written, /^[!-~]+$/);
    assert.deepEqual(parseSharedLink(written).key, key);
  }));
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => {
    try {
      parseSharedLink(`ttun://${a}@${b}`);
    } catch (error) {
      assert.ok(error instanceof TtunError && error.kind === "usage");
    }
  }));
});
