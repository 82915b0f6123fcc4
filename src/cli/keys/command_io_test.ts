import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { changeKeys } from "./command.ts";
import { keyNames, withKey, withoutKey } from "./key_lines.ts";

test("of several that change a key file at once, none takes back what another has done", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/keys`;
    const write = (text: string) => Deno.writeTextFile(file, text, { mode: 0o600 });
    const read = async () => (await Deno.readTextFile(file)).trimEnd();
    await write("# ours\nann:k1\nbob:k2\n");
    const add = (name: string) =>
      changeKeys(file, read, (text) => withKey(text, name, `k-${name}`));
    const revoke = changeKeys(file, read, (text) => withoutKey(text, "ann"));
    const names = ["cat", "dan", "eve"];
    const [revoked, ...added] = await Promise.allSettled([revoke, ...names.map(add)]);
    const left = keyNames(await read());
    assert.equal(left.includes("ann"), revoked.status === "rejected");
    for (const [i, { status }] of added.entries()) {
      assert.equal(left.includes(names[i]!), status === "fulfilled", names[i]);
    }
    assert.ok([revoked, ...added].some(({ status }) => status === "fulfilled"));
    for (const one of [revoked, ...added]) {
      if (one.status === "rejected") assert.match(`${one.reason}`, /Cannot change .*another/);
    }
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["keys"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
