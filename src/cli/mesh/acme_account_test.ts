import assert from "node:assert/strict";
import { FakeKeyEnvironment } from "../secrets/key_environment_fixture.ts";
import { acmeOfVariable, externalAccount, parseAccount } from "./acme_account.ts";

const context = { signal: new AbortController().signal, background: null } as never;

Deno.test("an account for an authority: from a file, else the environment, which forgets it", async () => {
  const env = { TTUN_MESH_ACME_ACCOUNT: "env AAAAAAAAAAAAAAAAAAAAAA" };
  const files = { "/account": { content: "file AAAAAAAAAAAAAAAAAAAAAA==\n" } };
  const take = async (acmeAccountFile: string | undefined) => {
    const host = new FakeKeyEnvironment({ env, files });
    const found = await externalAccount({ acmeAccountFile }, context, host);
    return { id: found?.id, forgotten: host.forgotten };
  };
  assert.deepEqual(await take("/account"), { id: "file", forgotten: ["TTUN_MESH_ACME_ACCOUNT"] });
  assert.deepEqual(await take(undefined), { id: "env", forgotten: ["TTUN_MESH_ACME_ACCOUNT"] });
  const handed = acmeOfVariable((name) => name === "TTUN_MESH_ACME_ACCOUNT" ? "a b" : undefined);
  assert.deepEqual(Object.keys(handed), ["acme-account"]);
  assert.equal(
    await externalAccount({ acmeAccountFile: undefined }, context, new FakeKeyEnvironment({})),
    null,
  );
});

Deno.test("an account for an authority that cannot be read is refused without its key", () => {
  assert.equal(parseAccount(" kid-1\tAAAAAAAAAAAAAAAAAAAAAA \n").key.length, 16);
  for (const text of ["", "kid", "kid short", "kid not/base64url+++++++", "a b c"]) {
    assert.throws(
      () => parseAccount(text),
      (error: Error) =>
        /id and the key/.test(error.message) && !error.message.includes("base64url+"),
      text,
    );
  }
});
