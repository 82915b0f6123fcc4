import assert from "node:assert/strict";
import { makeLogger } from "../../base/log.ts";
import { homeIn } from "./key_environment.ts";
import { type Fake, FakeKeyEnvironment } from "./key_environment_fixture.ts";
import { resolveKey } from "./key_source.ts";
import { defaultKeyFiles } from "./default_key.ts";

async function find(fake: Fake) {
  const logged: string[] = [];
  const context = {
    signal: new AbortController().signal,
    log: makeLogger(({ message, fields }) => {
      logged.push(`${message} ${JSON.stringify(fields)}`);
    }, () => 0),
    secretsHidden: true,
  };
  const { key, source } = await resolveKey(
    { key: undefined, keyFile: undefined },
    context,
    new FakeKeyEnvironment(fake),
  );
  return { key: new TextDecoder().decode(key), source, logged };
}

const paths = (fake: Fake) => defaultKeyFiles(new FakeKeyEnvironment(fake));

Deno.test("a key is looked for in the user's configuration, the caller's of sudo, and /etc", () => {
  const homes = { ann: "/home/ann" };
  assert.deepEqual(paths({}), ["/etc/ttun/key"]);
  assert.deepEqual(paths({ env: { HOME: "/root" } }), [
    "/root/.config/ttun/key",
    "/etc/ttun/key",
  ]);
  assert.deepEqual(paths({ env: { HOME: "/root", SUDO_USER: "ann" }, homes }), [
    "/root/.config/ttun/key",
    "/home/ann/.config/ttun/key",
    "/etc/ttun/key",
  ]);
  // Where sudo leaves HOME as it was there is one place.
  assert.deepEqual(paths({ env: { HOME: "/home/ann", SUDO_USER: "ann" }, homes }), [
    "/home/ann/.config/ttun/key",
    "/etc/ttun/key",
  ]);
  assert.deepEqual(paths({ env: { HOME: "/root", SUDO_USER: "bob" }, homes })[1], "/etc/ttun/key");
  assert.equal(paths({ env: { HOME: "/a", XDG_CONFIG_HOME: "/x" } })[0], "/x/ttun/key");
  assert.equal(paths({ env: { HOME: "/a", XDG_CONFIG_HOME: "x" } })[0], "/a/.config/ttun/key");
});

Deno.test("a home directory is the sixth field of the user's line", () => {
  const passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nodd:x\n";
  assert.equal(homeIn(passwd, "ann"), "/home/ann");
  for (const user of ["bob", "odd", "", "ann:x"]) assert.equal(homeIn(passwd, user), undefined);
});

Deno.test("the first default file counts, behind credentials and before the prompt, and is told", async () => {
  const env = { HOME: "/root", CREDENTIALS_DIRECTORY: "/cred" };
  const fake: Fake = {
    env,
    typed: "typed\r",
    files: {
      "/root/.config/ttun/key": { content: "mine\n" },
      "/etc/ttun/key": { content: "machine\n" },
    },
  };
  assert.deepEqual(await find(fake), {
    key: "mine",
    source: "default file",
    logged: ['key file {"path":"/root/.config/ttun/key"}'],
  });
  delete fake.files!["/root/.config/ttun/key"];
  assert.equal((await find(fake)).key, "machine");
  fake.files!["/cred/ttun-key"] = { content: "credential" };
  assert.equal((await find(fake)).key, "credential");
  delete fake.files!["/cred/ttun-key"];
  delete fake.files!["/etc/ttun/key"];
  assert.equal((await find(fake)).source, "prompt");
});

Deno.test("another user's file is passed over; one that is not usable is an error", async () => {
  const env = { HOME: "/home/ann" };
  const closed = { "/etc/ttun/key": { content: "root's", isClosed: true } };
  assert.equal((await find({ env, typed: "typed\r", files: closed })).source, "prompt");
  await assert.rejects(find({ env, files: closed }), {
    kind: "privilege",
    // Where the folder is closed nobody can tell whether there is such a file.
    message: /^There is no key of this user's, and "\/etc\/ttun\/key" is not this user's to read; /,
  });
  const open = { "/home/ann/.config/ttun/key": { content: "key", mode: 0o644 } };
  await assert.rejects(find({ env, files: open }), { message: /chmod 600 \/home\/ann/ });
  const empty = { "/home/ann/.config/ttun/key": { content: "\n" } };
  await assert.rejects(find({ env, files: empty }), { message: /config\/ttun\/key" is empty/ });
});

Deno.test("no key at all: first the one command that makes one where it is found", async () => {
  await assert.rejects(find({ env: { HOME: "/root" } }), {
    kind: "usage",
    message:
      /^There is no key: ttun genkey > ~\/\.config\/ttun\/key makes one .*mkdir -p ~\/\.config\/ttun\)/,
  });
});
