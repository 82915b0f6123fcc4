import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { makeLogger } from "../../base/log.ts";
import { type Fake, FakeKeyEnvironment } from "../secrets/key_environment_fixture.ts";
import { passwordCheck, resolveAuth } from "./auth.ts";

async function find(fake: Fake, options: { auth?: string; authFile?: string } = {}, hidden = true) {
  const logged: string[] = [];
  const host = new FakeKeyEnvironment(fake);
  const context = {
    signal: new AbortController().signal,
    log: makeLogger((record) => logged.push(`${record.level} ${record.message}`), () => 0),
    secretsHidden: hidden,
  };
  const wanted = { auth: options.auth, authFile: options.authFile };
  try {
    const found = await resolveAuth(wanted, context, host);
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const text = found === null ? null : [decode(found.user), decode(found.password)];
    return { text, logged, host };
  } finally {
    assert.equal(host.openFiles, 0, "a file stayed open");
  }
}

async function refusal(fake: Fake, options: { auth?: string; authFile?: string } = {}) {
  try {
    await find(fake, options);
  } catch (error) {
    assert.ok(error instanceof TtunError);
    assert.equal(error.kind, "usage");
    assert.doesNotMatch(error.message, /n0body/);
    return error.message;
  }
  assert.fail("was not refused");
}

Deno.test("the option comes before the file, and that before the environment; or there is none", async () => {
  const fake: Fake = {
    env: { TTUN_PROXY_AUTH: "env:three" },
    files: { "/auth": { content: "file:two\n" } },
  };
  const both = { auth: "option:one", authFile: "/auth" };
  assert.deepEqual((await find(fake, both)).text, ["option", "one"]);
  assert.deepEqual((await find(fake, { authFile: "/auth" })).text, ["file", "two"]);
  assert.deepEqual((await find(fake)).text, ["env", "three"]);
  assert.equal((await find({})).text, null);
});

Deno.test("TTUN_PROXY_AUTH leaves the environment, whichever source is used", async () => {
  const env = { TTUN_PROXY_AUTH: "me:x" };
  assert.deepEqual((await find({ env })).host.forgotten, ["TTUN_PROXY_AUTH"]);
  assert.deepEqual((await find({ env }, { auth: "me:y" })).host.forgotten, ["TTUN_PROXY_AUTH"]);
  assert.deepEqual((await find({})).host.forgotten, []);
});

Deno.test("a file is for its owner alone, and a dash is standard input", async () => {
  const files = { "/auth": { content: "me:n0body", mode: 0o644 } };
  assert.match(await refusal({ files }, { authFile: "/auth" }), /auth file .*chmod 600 \/auth$/);
  assert.match(await refusal({}, { authFile: "/none" }), /auth file "\/none": there is no such/);
  assert.match(await refusal({}, { authFile: "" }), /name of the auth file is empty/);
  assert.deepEqual((await find({ stdin: "me:x\r\n" }, { authFile: "-" })).text, ["me", "x"]);
});

Deno.test("a byte order mark and a line end of Windows are no part of user and password", async () => {
  const files = { "/auth": { content: "\ufeffme:x\r\n" } };
  const env = { TTUN_PROXY_AUTH: "\ufeffme:x\r" };
  assert.deepEqual((await find({ files }, { authFile: "/auth" })).text, ["me", "x"]);
  assert.deepEqual((await find({ env })).text, ["me", "x"]);
  assert.deepEqual((await find({}, { auth: "\ufeffme:x\r" })).text, ["me", "x"]);
});

Deno.test("the first colon ends the user; what neither SOCKS nor HTTP can say is refused", async () => {
  const auth = async (text: string) => (await find({}, { auth: text })).text;
  assert.deepEqual(await auth("me:a:b "), ["me", "a:b "]);
  assert.deepEqual(await auth(`${"u".repeat(255)}:${"ü".repeat(127)}`), [
    "u".repeat(255),
    "ü".repeat(127),
  ]);
  const refused = (text: string) => refusal({}, { auth: text });
  assert.match(await refused("n0body"), /USER:PASSWORD/);
  assert.match(await refused(":n0body"), /may be empty/);
  assert.match(await refused("n0body:"), /may be empty/);
  assert.match(await refused(`n0body:${"ü".repeat(128)}`), /longer than 255 bytes/);
  assert.match(await refused(`${"u".repeat(256)}:n0body`), /longer than 255 bytes/);
  for (const odd of ["\n\n", "\0", "\x7f", "\ufffd"]) {
    assert.match(await refused(`me:n0body${odd}`), /one line of UTF-8/);
  }
  assert.match(await refusal({ env: { TTUN_PROXY_AUTH: "" } }), /TTUN_PROXY_AUTH .*USER:PASSWORD/);
});

Deno.test("a password among the arguments draws one warning, that does not hold it", async () => {
  for (const hidden of [true, false]) {
    const { logged } = await find({}, { auth: "me:n0body" }, hidden);
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, /^warn .*visible in process lists.*--auth-file or TTUN_PROXY_AUTH/);
    assert.equal(logged[0]!.includes("until ttun hid it"), hidden);
    assert.doesNotMatch(logged[0]!, /n0body/);
  }
  assert.deepEqual((await find({ env: { TTUN_PROXY_AUTH: "me:x" } })).logged, []);
});

Deno.test("the check wants both, to the last byte", () => {
  const check = passwordCheck({ user: utf8("me"), password: utf8("right") });
  assert.equal(check(utf8("me"), utf8("right")), true);
  for (
    const [user, password] of [
      ["me", "wrong"],
      ["me", "righ"],
      ["me", "rights"],
      ["me", ""],
      ["you", "right"],
      ["mE", "right"],
      ["", ""],
      ["right", "me"],
    ]
  ) {
    assert.equal(check(utf8(user!), utf8(password!)), false, `${user}:${password}`);
  }
});
