import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { posixFiles } from "./system_files.ts";

Deno.test("a file's stamp is another one when it is written, replaced, or gone", () => {
  using libc = openLibc();
  const files = posixFiles(libc);
  const folder = Deno.makeTempDirSync({ prefix: "ttun-test-" });
  try {
    const path = `${folder}/hösts`;
    assert.equal(files.stampOf(path), null);
    assert.equal(files.read(path, 10), null);
    Deno.writeTextFileSync(path, "\ufeffone");
    const first = files.stampOf(path);
    assert.equal(files.stampOf(path), first);
    assert.equal(files.read(path, 10), "one", "without the byte order mark");
    Deno.writeTextFileSync(path, "one two");
    const second = files.stampOf(path);
    assert.notEqual(second, first);
    Deno.writeTextFileSync(`${path}.new`, "ONE TWO"); // of the same size
    Deno.renameSync(`${path}.new`, path);
    assert.notEqual(files.stampOf(path), second);
    assert.equal(files.read(path, 3), "ONE", "no more than that is read");
    const long = "x".repeat(300_000);
    Deno.writeTextFileSync(path, long);
    assert.equal(files.read(path, 1_000_000), long);
    assert.equal(files.read(folder, 10), null, "a folder is no file");
    assert.equal(new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).outputSync().code, 0);
    assert.equal(files.read(`${folder}/pipe`, 10), "", "nobody writes there: it is not waited for");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
