import assert from "node:assert/strict";
import type { Secrets } from "../background/handover.ts";
import { type Fake, FakeKeyEnvironment } from "../secrets/key_environment_fixture.ts";
import { passphraseOfVariable, passphraseSecrets, takePassphrase } from "./passphrase.ts";

const OF_FILE = "that of the file";
const OF_VARIABLE = "that of the variable";
const HANDED = "that of the parent";

async function take(
  fake: Fake,
  o: { file?: string; needed?: string; handed?: Secrets } = {},
): Promise<{ found: string | null; host: FakeKeyEnvironment }> {
  const host = new FakeKeyEnvironment(fake);
  const background = { secrets: o.handed ?? {}, ready: () => Promise.resolve() };
  const context = { signal: new AbortController().signal, background };
  const found = await takePassphrase(
    { passphraseFile: o.file },
    o.needed ?? null,
    context,
    host,
  );
  return { found, host };
}

Deno.test("a passphrase is that of a process in the foreground, of a file, or of the environment", async () => {
  const env = { TTUN_MESH_PASSPHRASE: OF_VARIABLE };
  const files = { "/passphrase": { content: `${OF_FILE}\n` } };
  const handed = passphraseSecrets(HANDED);
  assert.equal((await take({ env, files }, { file: "/passphrase", handed })).found, HANDED);
  assert.equal((await take({ env, files }, { file: "/passphrase" })).found, OF_FILE);
  const { found, host } = await take({ env });
  assert.equal(found, OF_VARIABLE);
  assert.deepEqual(host.forgotten, ["TTUN_MESH_PASSPHRASE"]);
  assert.equal((await take({})).found, null);
  const ofUp = passphraseOfVariable((name) => env[name as keyof typeof env]);
  assert.equal((await take({}, { handed: ofUp })).found, OF_VARIABLE);
  assert.deepEqual(passphraseOfVariable(() => undefined), {});
});

Deno.test("one that is needed is asked for in words, and a short one is refused without its text", async () => {
  await assert.rejects(
    take({}, { needed: "Cannot go on" }),
    /Cannot go on: give the passphrase by --passphrase-file or TTUN_MESH_PASSPHRASE/,
  );
  await assert.rejects(take({ env: { TTUN_MESH_PASSPHRASE: "too short" } }), (error: Error) => {
    assert.match(error.message, /12 characters at least/);
    return !error.message.includes("too short");
  });
});
