import assert from "node:assert/strict";
import fc from "fast-check";
import { formatCidr } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { KeySource } from "../secrets/key_source.ts";
import { clientKey, looksNamed, serverKeys } from "./named_keys.ts";

function keysOf(text: string, source: KeySource = "--key-file"): [string, string][] {
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return serverKeys({ key: utf8(text), source })
    .map(({ name, password }) => [name, decode(password)]);
}

function refusal(text: string): string {
  try {
    keysOf(text);
  } catch (error) {
    assert.ok(error instanceof TtunError);
    assert.equal(error.kind, "usage");
    return error.message;
  }
  assert.fail("was not refused");
}

const FILES: KeySource[] = ["--key-file", "TTUN_KEY_FILE", "credential"];
const OTHERS: KeySource[] = ["-k", "TTUN_KEY", "prompt"];

Deno.test("one line is one key as it is, whatever it looks like", () => {
  for (const text of ["secret", "name:secret", "# secret", " secret ", ":"]) {
    for (const source of [...FILES, ...OTHERS]) {
      assert.deepEqual(keysOf(text, source), [["", text]]);
    }
  }
});

Deno.test("a file of more lines has a named key on each", () => {
  const text = "\ufeff# keys\r\n\n  # more\nann:one\r\nbob.b@c-d_9:x:two\nö:drei four";
  for (const source of FILES) {
    assert.deepEqual(keysOf(text, source), [["ann", "one"], ["bob.b@c-d_9", "x:two"], [
      "ö",
      "drei four",
    ]]);
  }
  assert.deepEqual(keysOf("ann:one\n"), [["ann", "one"]]); // what is left of "ann:one\n\n"
  // Two files from Windows that were joined.
  assert.deepEqual(keysOf("\ufeffann:one\r\n\ufeff\ufeffbob:two"), [["ann", "one"], [
    "bob",
    "two",
  ]]);
});

Deno.test("what is no file is one key, line ends and all", () => {
  for (const source of OTHERS) {
    assert.deepEqual(keysOf("ann:one\nbob:two", source), [["", "ann:one\nbob:two"]]);
    assert.deepEqual(clientKey({ key: utf8("a\nb"), source }), utf8("a\nb"));
  }
});

Deno.test("a line that is no named key is refused by its number, and not repeated", () => {
  const cases: [string, RegExp][] = [
    ["# mine\nn0body", /line 2 .*NAME:KEY/],
    ["ann:one\n:n0body", /line 2 .*NAME:KEY/],
    ["ann:one\na b:n0body", /line 2 .*NAME:KEY/],
    [`ann:one\n${"x".repeat(65)}:n0body`, /line 2 .*NAME:KEY/],
    ["ann:one\nbob:", /line 2 .*no key behind the name/],
    ["ann:one\nbob: n0body", /line 2 .*begins or ends with a blank/],
    ["ann:one\nbob:n0body\t", /line 2 .*begins or ends with a blank/],
    ["ann:one\n\nann:n0body", /line 3 .*line 1 has the same name/],
    ["ann:n0body\n\nbob:n0body", /line 3 .*line 1 has the same key/],
    ["#\n#\n", /no key in it/],
  ];
  for (const [text, wanted] of cases) {
    const message = refusal(text);
    assert.match(message, wanted);
    assert.doesNotMatch(message, /n0body/);
  }
});

Deno.test("there are at most 256 keys", () => {
  const lines = (count: number) =>
    Array.from({ length: count }, (_, i) => `n${i}:k${i}`).join("\n");
  assert.equal(keysOf(lines(256)).length, 256);
  assert.match(refusal(lines(257)), /line 257 .*256 keys/);
});

Deno.test("whatever a file has, it gives keys or is refused", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    try {
      for (const [name] of keysOf(`${text}\n${text}`)) assert.ok(name.length > 0);
    } catch (error) {
      assert.ok(error instanceof TtunError);
      assert.equal(error.kind, "usage");
    }
  }));
});

Deno.test("a client takes no file that can only be a server's", () => {
  for (const source of FILES) {
    assert.deepEqual(clientKey({ key: utf8("ann:one"), source }), utf8("ann:one"));
    assert.throws(() => clientKey({ key: utf8("ann:n0body\nbob:n0body"), source }), (error) => {
      assert.ok(error instanceof TtunError);
      assert.equal(error.kind, "usage");
      assert.match(error.message, /more than one line/);
      assert.doesNotMatch(error.message, /n0body/);
      return true;
    });
  }
});

Deno.test("one line that looks like NAME:KEY is noticed, in a file alone", () => {
  const looks = (text: string, source: KeySource = "--key-file") =>
    looksNamed({ key: utf8(text), source });
  for (const text of ["ann:secret", "ann@home:a:b"]) assert(looks(text), text);
  for (const text of ["secret", ":secret", "ann:", "two words:secret", "# a\nann:secret", ""]) {
    assert(!looks(text), text);
  }
  assert(!looks("ann:secret", "-k"));
  assert.deepEqual(keysOf("# ann alone\nann:secret"), [["ann", "secret"]]);
});

Deno.test("settings behind a key are no part of it, whatever else is", () => {
  const [first, second, third] = serverKeys({
    key: utf8(
      "# x\nann:a key  address=10.9.0.7\tnetwork=192.168.7.1/24 network=fd00:7::/64\n" +
        "bob:k=v address=dead:beef b64==\ncat:k net=1.2.3.4x",
    ),
    source: "--key-file",
  });
  assert.deepEqual(first!.password, utf8("a key"));
  assert.deepEqual(first!.addresses!.map(formatCidr), ["10.9.0.7/32"]);
  assert.deepEqual(first!.networks!.map(formatCidr), ["192.168.7.0/24", "fd00:7::/64"]);
  assert.deepEqual(second!.password, utf8("k=v address=dead:beef b64=="));
  assert.equal(second!.addresses, undefined);
  assert.deepEqual(third!.password, utf8("k net=1.2.3.4x"));
  assert.match(refusal("# x\nann:k adress=10.9.0.7"), /no setting adress=/);
  assert.match(refusal("# x\nann: address=10.9.0.7"), /no key behind the name/);
});
