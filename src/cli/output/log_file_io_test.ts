import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { utf8 } from "../../base/bytes.ts";
import { LogFile } from "./log_file.ts";

async function makeFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "ttun-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

test("a log file is appended to, and opened anew where it was before", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/log`;
  await Deno.writeTextFile(path, "before\n");
  {
    await using file = new LogFile(path);
    file.output.write(utf8("one\n"));
    await file.output.flush(1000);
    await Deno.rename(path, `${path}.1`);
    file.output.write(utf8("two\n"));
    await file.output.flush(1000);
    file.reopen();
    file.output.write(utf8("three\n"));
  }
  assert.equal(await Deno.readTextFile(`${path}.1`), "before\none\ntwo\n");
  assert.equal(await Deno.readTextFile(path), "three\n");
});

test("a log file that cannot be opened is refused, and what was open goes on", async () => {
  await using folder = await makeFolder();
  assert.throws(() => new LogFile(`${folder.path}/no/log`), { kind: "usage", message: /no such/ });
  const inner = `${folder.path}/inner`;
  await Deno.mkdir(inner);
  await using file = new LogFile(`${inner}/log`);
  await Deno.rename(inner, `${folder.path}/moved`);
  assert.throws(() => file.reopen(), { kind: "usage" });
  file.output.write(utf8("still\n"));
  await file.output.flush(1000);
  assert.equal(await Deno.readTextFile(`${folder.path}/moved/log`), "still\n");
});

test({
  name:
    "a log file that is a pipe is refused at once, by a link too; an own link to a file is followed",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await makeFolder();
    const pipe = `${folder.path}/pipe`;
    new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
    assert.throws(() => new LogFile(pipe), { kind: "usage", message: /it is no file$/ });
    const link = `${folder.path}/link`;
    await Deno.symlink(pipe, link);
    assert.throws(() => new LogFile(link), { kind: "usage", message: /it is no file$/ });
    await Deno.remove(link);
    await Deno.writeTextFile(`${folder.path}/log`, "");
    await Deno.symlink("log", link);
    await using file = new LogFile(link);
    file.output.write(utf8("linked\n"));
    await file.output.flush(1000);
    assert.equal(await Deno.readTextFile(`${folder.path}/log`), "linked\n");
  },
});

test({
  name: "a link that another user puts in the log file's place just before it is opened is refused",
  ignore: Deno.build.os === "windows" || Deno.uid() !== 0,
  fn: async () => {
    await using folder = await makeFolder();
    const [path, secret] = [`${folder.path}/sticky/log`, `${folder.path}/secret`];
    await Deno.mkdir(`${folder.path}/sticky`);
    await Deno.chmod(`${folder.path}/sticky`, 0o1777);
    for (const isThere of [true, false]) {
      if (isThere) await Deno.writeTextFile(secret, "");
      else await Deno.remove(secret);
      const openSync = Deno.openSync;
      Deno.openSync = (...args) => {
        Deno.symlinkSync(secret, path);
        new Deno.Command("chown", { args: ["-h", "65534", path] }).outputSync();
        return openSync(...args);
      };
      try {
        assert.throws(() => new LogFile(path), { kind: "usage" });
      } finally {
        Deno.openSync = openSync;
      }
      assert.equal(Deno.readLinkSync(path), secret);
      await Deno.remove(path);
      if (!isThere) assert.throws(() => Deno.lstatSync(secret), Deno.errors.NotFound);
    }
  },
});
