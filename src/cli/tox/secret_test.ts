import assert from "node:assert/strict";
import { makeLogger } from "../../base/log.ts";
import type { Secrets } from "../background/handover.ts";
import { type Fake, FakeKeyEnvironment } from "../secrets/key_environment_fixture.ts";
import { toxSecret, toxSecrets, toxSecretsOfVariables } from "./secret.ts";

async function find(
  options: { secret?: string; secretFile?: string; ofHost?: string },
  fake: Fake,
  more: { secrets?: Secrets; fileSecrets?: ReadonlySet<string> } = {},
) {
  const host = new FakeKeyEnvironment(fake);
  const lines: string[] = [];
  const log = makeLogger(({ message }) => lines.push(message), () => 0, "info");
  const { signal } = new AbortController();
  const { secret = undefined, secretFile = undefined } = options;
  const found = await toxSecret(
    { secret, secretFile },
    {
      ...{ signal, log, secretsHidden: false },
      ...(more.fileSecrets !== undefined && { fileSecrets: more.fileSecrets }),
      ...(more.secrets !== undefined && {
        background: { secrets: more.secrets, ready: () => Promise.resolve() },
      }),
    },
    options.ofHost ?? null,
    host,
  );
  return { found, host, lines };
}

Deno.test("a secret comes from the command line, a file, the host, ttun's variable, then tuntox's", async () => {
  const env = { TTUN_TOX_SECRET: "own", TUNTOX_SHARED_SECRET: "theirs" };
  const files = { "/secret": { content: "of the file\n" } };
  const given = await find({ secret: "given" }, { env, files });
  assert.equal(given.found, "given");
  assert.match(given.lines[0]!, /-s is visible/);
  assert.ok(!given.lines[0]!.includes("given by -s given"));
  assert.equal((await find({ secretFile: "/secret" }, { env, files })).found, "of the file");
  assert.equal((await find({ ofHost: "host's" }, { env, files })).found, "host's");
  assert.equal((await find({ ofHost: "host's", secret: "given" }, { env })).found, "given");
  const own = await find({}, { env });
  assert.equal(own.found, "own");
  assert.deepEqual(own.host.forgotten, ["TTUN_TOX_SECRET", "TUNTOX_SHARED_SECRET"]);
  assert.equal((await find({}, { env: { TUNTOX_SHARED_SECRET: "theirs" } })).found, "theirs");
  assert.equal((await find({}, {})).found, null);
});

Deno.test("an empty secret is none, and a file that others may read is refused", async () => {
  await assert.rejects(find({ secret: "" }, {}), /-s is empty/);
  await assert.rejects(find({}, { env: { TUNTOX_SHARED_SECRET: "" } }), /SHARED_SECRET is empty/);
  const files = { "/open": { content: "secret", mode: 0o644 }, "/empty": { content: "\n" } };
  await assert.rejects(find({ secretFile: "/open" }, { files }), /chmod 600/);
  await assert.rejects(find({ secretFile: "/empty" }, { files }), /is empty/);
});

Deno.test("a secret of a configuration is no warning, and one that was handed over counts", async () => {
  const fileSecrets = new Set(["secret"]);
  const given = await find({ secret: "of the file" }, {}, { fileSecrets });
  assert.deepEqual([given.found, given.lines], ["of the file", []]);
  const handed = toxSecrets("handed");
  assert.equal((await find({ secretFile: "-" }, {}, { secrets: handed })).found, "handed");
  assert.equal((await find({}, {}, { secrets: toxSecrets(null) })).found, null);
});

Deno.test("what ttun up hands over counts as the variables do", async () => {
  const env = { TTUN_TOX_SECRET: "own", TUNTOX_SHARED_SECRET: "theirs" };
  const pack = (...names: (keyof typeof env)[]) =>
    toxSecretsOfVariables((name) =>
      names.find((one) => one === name) && env[name as keyof typeof env]
    );
  const own = pack("TTUN_TOX_SECRET", "TUNTOX_SHARED_SECRET");
  assert.equal((await find({ secret: "of the file" }, {}, { secrets: own })).found, "own");
  const theirs = pack("TUNTOX_SHARED_SECRET");
  assert.equal(
    (await find({ secret: "of the file" }, {}, { secrets: theirs })).found,
    "of the file",
  );
  assert.equal((await find({}, {}, { secrets: theirs })).found, "theirs");
  assert.deepEqual(pack(), {});
});
