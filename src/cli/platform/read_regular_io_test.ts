import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { readRegular } from "./read_regular.ts";

const isUnix = Deno.build.os !== "windows";

test("an ordinary file is read up to its limit, and only of an owner that is trusted", () => {
  inFolder((at) => {
    Deno.writeTextFileSync(`${at}/file`, "four");
    const read = (most: number, trusts = true) => readRegular(`${at}/file`, most, () => trusts);
    assert.equal(new TextDecoder().decode(read(4)!), "four");
    assert.equal(read(3), null);
    assert.equal(read(4, false), null);
    assert.throws(() => readRegular(`${at}/none`, 1, () => true), Deno.errors.NotFound);
    assert.equal(readRegular(at, 1000, () => true), null);
  });
});

test({
  name: "a link and a pipe that nobody writes to are not read, and not waited for",
  ignore: !isUnix,
  fn: () => {
    inFolder((at) => {
      Deno.writeTextFileSync(`${at}/file`, "four");
      Deno.symlinkSync("file", `${at}/link`);
      assert.equal(readRegular(`${at}/link`, 4, () => true), null);
      assert(new Deno.Command("mkfifo", { args: [`${at}/pipe`] }).outputSync().success);
      assert.equal(readRegular(`${at}/pipe`, 4, () => true), null);
    });
  },
});

function inFolder(work: (at: string) => void): void {
  const at = Deno.makeTempDirSync({ prefix: "ttun-read-" });
  try {
    work(at);
  } finally {
    Deno.removeSync(at, { recursive: true });
  }
}
