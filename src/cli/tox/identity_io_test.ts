import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { test } from "../../../tests/check.ts";
import { keepIdentity, lockIdentity, readIdentity } from "./identity.ts";

const SAVEDATA = new Uint8Array(987).map((_, i) => i);

async function inFolder(run: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

test("an identity is kept for its owner alone, whatever was there, and nothing else is left", async () => {
  await inFolder((folder) => {
    const place = `${folder}/a/b`;
    assert.equal(readIdentity(place), null);
    keepIdentity(place, SAVEDATA);
    assert.deepEqual(readIdentity(place), SAVEDATA);
    Deno.chmodSync(`${place}/tox_save`, 0o644); // as tuntox leaves it
    keepIdentity(place, SAVEDATA.subarray(1), SAVEDATA);
    assert.deepEqual(readIdentity(place), SAVEDATA.subarray(1));
    assert.equal(Deno.statSync(`${place}/tox_save`).mode! & 0o777, 0o600);
    keepIdentity(place, SAVEDATA, SAVEDATA.subarray(1)); // it is there so
    assert.deepEqual(readIdentity(place), SAVEDATA.subarray(1));
    assert.deepEqual([...Deno.readDirSync(place)].map(({ name }) => name), ["tox_save"]);
  });
});

test("what is no identity's file is refused, and a folder that cannot be written", async () => {
  await inFolder((folder) => {
    Deno.mkdirSync(`${folder}/a/tox_save`, { recursive: true });
    assert.throws(() => readIdentity(`${folder}/a`), TtunError);
    assert.throws(() => keepIdentity(`${folder}/a`, SAVEDATA), TtunError);
    assert.deepEqual([...Deno.readDirSync(`${folder}/a`)].map(({ name }) => name), ["tox_save"]);
    Deno.writeTextFileSync(`${folder}/file`, "");
    assert.throws(() => keepIdentity(`${folder}/file`, SAVEDATA), /Cannot keep the identity in/);
  });
});

test({
  name: "an identity is one process's at a time",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder((folder) => {
      keepIdentity(folder, SAVEDATA);
      const first = lockIdentity(folder)!;
      assert.throws(() => lockIdentity(folder), /Another ttun runs with the identity/);
      first[Symbol.dispose]();
      lockIdentity(folder)![Symbol.dispose]();
      assert.equal(lockIdentity(`${folder}/none`), null);
    }),
});
