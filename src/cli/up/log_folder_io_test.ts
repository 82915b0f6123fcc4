import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { makeLogFolder } from "./log_folder.ts";

const NOBODY = 65534;

function skipWithoutRoot(): boolean {
  const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
  if (!isRoot) console.log("others' links are not tested: only root can make other users' files");
  return !isRoot;
}

test({
  name: "the folder for logs is made, but not where another user's link leads",
  ignore: skipWithoutRoot(),
  fn: () => {
    const at = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "ttun-test-" }));
    try {
      makeLogFolder(`${at}/own/log`);
      assert(Deno.statSync(`${at}/own/log`).isDirectory);
      makeLogFolder(`${at}/own/log`); // it may be there

      Deno.mkdirSync(`${at}/sticky`);
      Deno.chmodSync(`${at}/sticky`, 0o1777);
      Deno.symlinkSync(`${at}/own`, `${at}/sticky/theirs`);
      new Deno.Command("chown", { args: ["-h", `${NOBODY}`, `${at}/sticky/theirs`] }).outputSync();
      assert.throws(() => makeLogFolder(`${at}/sticky/theirs/made/log`), {
        kind: "usage",
        message: /Cannot make the folder .*theirs" on the way belongs to user 65534$/,
      });
      assert.throws(() => Deno.statSync(`${at}/own/made`), Deno.errors.NotFound);
    } finally {
      Deno.removeSync(at, { recursive: true });
    }
  },
});
