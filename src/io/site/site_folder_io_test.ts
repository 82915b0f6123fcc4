import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { makeFolder } from "../../../tests/e2e/proxy_files.ts";
import { OpenSiteFolder } from "./site_folder.ts";

test("files and folders are opened, and neither links nor what is no file", async () => {
  await using outer = await makeFolder();
  const path = `${outer.path}/site`;
  Deno.mkdirSync(`${path}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${outer.path}/secret`, "secret");
  Deno.writeTextFileSync(`${path}/sub/a`, "hello");
  Deno.writeTextFileSync(`${path}/.hidden`, "");
  Deno.symlinkSync("../secret", `${path}/out`);
  Deno.symlinkSync("sub/a", `${path}/in`);
  Deno.symlinkSync("..", `${path}/up`);
  new Deno.Command("mkfifo", { args: [`${path}/fifo`] }).outputSync();
  using folder = new OpenSiteFolder(path);
  const found = folder.open("sub/a");
  assert(found?.kind === "file");
  using file = found;
  const into = new Uint8Array(8);
  assert.equal(file.read(1, into), 4);
  assert.equal(new TextDecoder().decode(into.subarray(0, 4)), "ello");
  assert.equal(file.size, 5);
  assert.equal(folder.open("")?.kind, "folder");
  assert.equal(folder.open("sub")?.kind, "folder");
  for (const absent of ["no", "out", "in", "up", "up/secret", "fifo", "sub/a/b", "x".repeat(300)]) {
    assert.equal(folder.open(absent), null, absent);
  }
  assert.deepEqual(folder.list(""), [{ name: "sub", isFolder: true }]);
  assert.deepEqual(folder.list("sub"), [{ name: "a", isFolder: false }]);
  assert.equal(folder.list("sub/a"), null);
  assert.equal(folder.list("up"), null);
  // Another folder takes its place.
  Deno.renameSync(path, `${outer.path}/old`);
  assert.throws(() => folder.open("sub/a"), { kind: "usage", message: /it is not there/ });
  Deno.mkdirSync(path);
  Deno.writeTextFileSync(`${path}/new`, "new");
  using fresh = folder.open("new") as Disposable;
  assert(fresh !== null);
});

test("a folder that is not there is told at once", () => {
  assert.throws(() => new OpenSiteFolder("/nonexistent"), { kind: "usage" });
  assert.throws(() => new OpenSiteFolder("/etc/passwd"), { kind: "usage" });
});
