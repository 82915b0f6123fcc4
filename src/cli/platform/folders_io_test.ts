import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { whyNotOurs } from "./folders.ts";

const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
const NOBODY = 65534;

function skipWithoutRoot(what: string): boolean {
  if (!isRoot) console.log(`${what} is not tested: only root can make other users' files`);
  return !isRoot;
}

/** A folder with a sticky one in it as /tmp is, and one that is another's. */
function inWorld(work: (at: string) => void): void {
  const at = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "ttun-way-" }));
  try {
    Deno.mkdirSync(`${at}/sticky`);
    Deno.chmodSync(`${at}/sticky`, 0o1777);
    Deno.mkdirSync(`${at}/ours/run`, { recursive: true });
    work(at);
  } finally {
    Deno.removeSync(at, { recursive: true });
  }
}

test({
  name: "a way with another user's link, folder or open folder on it is not ours",
  ignore: skipWithoutRoot("a way through other users' folders"),
  fn: () => {
    inWorld((at) => {
      assert.equal(whyNotOurs(`${at}/ours/run`), null);
      // A link of our own is followed, wherever it is.
      Deno.symlinkSync(`${at}/ours`, `${at}/sticky/mine`);
      assert.equal(whyNotOurs(`${at}/sticky/mine/run`), null);
      Deno.symlinkSync("../ours", `${at}/sticky/theirs`);
      new Deno.Command("chown", { args: ["-h", `${NOBODY}`, `${at}/sticky/theirs`] }).outputSync();
      assert.match(whyNotOurs(`${at}/sticky/theirs/run`)!, /sticky\/theirs" on .* to user 65534$/);
      // In the middle of another link's target too.
      Deno.symlinkSync(`${at}/sticky/theirs/run`, `${at}/ours/link`);
      assert.match(whyNotOurs(`${at}/ours/link`)!, /sticky\/theirs" on .* to user 65534$/);

      Deno.mkdirSync(`${at}/sticky/folder`);
      Deno.chownSync(`${at}/sticky/folder`, NOBODY, NOBODY);
      assert.match(whyNotOurs(`${at}/sticky/folder`)!, /folder" on the way belongs to user 65534$/);

      // The last folder may be a service's own, one above it may not.
      Deno.mkdirSync(`${at}/ours/service/run`, { recursive: true });
      Deno.chownSync(`${at}/ours/service`, NOBODY, NOBODY);
      assert.equal(whyNotOurs(`${at}/ours/service`), null);
      assert.match(whyNotOurs(`${at}/ours/service/run`)!, /"\S+service" on .* to user 65534$/);
      assert.match(whyNotOurs(`${at}/ours/service/none`)!, /service" on .* to user 65534$/);

      Deno.chmodSync(`${at}/ours`, 0o777);
      assert.match(whyNotOurs(`${at}/ours/run`)!, /^other users may write to the folder "\S+ours"/);
      Deno.chmodSync(`${at}/ours`, 0o770);
      assert.match(whyNotOurs(`${at}/ours/run`)!, /^other users may write/, "its group too");
      Deno.chmodSync(`${at}/ours`, 0o755);
      assert.equal(whyNotOurs(`${at}/ours/run`), null);
    });
  },
});

test({
  name: "what is not there yet is ours, and a ring of links has an end",
  ignore: Deno.build.os === "windows",
  fn: () => {
    inWorld((at) => {
      assert.equal(whyNotOurs(`${at}/ours/a/b/c`), null);
      assert.equal(whyNotOurs(`${at}/ours/../ours/./run/`), null);
      Deno.symlinkSync("ring", `${at}/ours/ring`);
      assert.match(whyNotOurs(`${at}/ours/ring/x`)!, /over 40 symbolic links/);
    });
  },
});
