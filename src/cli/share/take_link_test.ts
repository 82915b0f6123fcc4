import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { makeLogger } from "../../base/log.ts";
import { parseServer } from "../transport/endpoint.ts";
import { sharedLinkSecrets, takeLink } from "./take_link.ts";

const LINK = "ttun://sEcReT@example.net:20203";

async function take(text: string, context: object): Promise<{ key?: string; logged: string[] }> {
  const logged: string[] = [];
  const taken = await takeLink({
    server: parseServer(text),
    key: undefined,
    keyFile: undefined,
    cipher: "auto",
  }, contextOf(context, logged));
  const key = (taken as { linkKey?: Uint8Array }).linkKey;
  return { ...(key !== undefined && { key: new TextDecoder().decode(key) }), logged };
}

function contextOf(more: object, logged: string[]) {
  return {
    signal: new AbortController().signal,
    log: makeLogger((record) => logged.push(`${record.level} ${record.message}`), () => 0),
    secretsHidden: true,
    ...more,
  };
}

Deno.test("a link among the arguments is warned of, one of the environment or a file is not", async () => {
  assert.deepEqual(await take(LINK, {}), { key: "sEcReT", logged: [] });
  const { key, logged } = await take(LINK, { hasSecretArguments: true });
  assert.equal(key, "sEcReT");
  assert.equal(logged.length, 1);
  assert.match(logged[0]!, /^warn The link .* was visible .* until ttun hid it.* use link:FILE/);
  assert.doesNotMatch(logged[0]!, /sEcReT/);
  const seen = await take(LINK, { hasSecretArguments: true, secretsHidden: false });
  assert.match(seen.logged[0]!, / is visible in process lists/);
  assert.deepEqual(await take("example.net", { hasSecretArguments: true }), { logged: [] });
});

Deno.test("in the background it is taken from the one in the foreground, which has warned", async () => {
  const logged: string[] = [];
  const context = contextOf({ hasSecretArguments: true }, logged);
  const secrets = await sharedLinkSecrets({ server: parseServer(LINK) }, context);
  assert.deepEqual(secrets, { link: utf8(LINK) });
  assert.equal(logged.length, 1);
  const background = { secrets: secrets!, ready: () => Promise.resolve() };
  const taken = await take("ttun://xxxxxx", { hasSecretArguments: true, background });
  assert.deepEqual(taken, { key: "sEcReT", logged: [] });
});
