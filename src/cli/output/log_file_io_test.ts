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
