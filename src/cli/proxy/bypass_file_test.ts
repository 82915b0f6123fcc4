import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { readDirectFile } from "./bypass_file.ts";
import { type FakeFile, FakeKeyEnvironment } from "../secrets/key_environment_fixture.ts";

async function read(file?: FakeFile): Promise<string[]> {
  const host = new FakeKeyEnvironment({ files: file === undefined ? {} : { "/list": file } });
  try {
    return await readDirectFile("/list", host);
  } finally {
    assert.equal(host.openFiles, 0, "a file stayed open");
  }
}

async function refusal(file?: FakeFile): Promise<string> {
  try {
    await read(file);
  } catch (error) {
    assert.ok(error instanceof TtunError);
    assert.equal(error.kind, "usage");
    return error.message;
  }
  assert.fail("was not refused");
}

Deno.test("entries come one a line, and anybody may read the file", async () => {
  const content = "\ufeff# ours\r\n10.0.0.0/8\n\n.example.net # all of it\n";
  assert.deepEqual(await read({ content, mode: 0o100644 }), ["10.0.0.0/8", ".example.net"]);
});

Deno.test("a file of more than one buffer is read whole", async () => {
  const names = Array.from({ length: 20_000 }, (_, i) => `host${i}.example.net`);
  assert.deepEqual(await read({ content: names.join("\n") }), names);
});

Deno.test("what cannot be read is refused by its name and line", async () => {
  const name = /^Cannot use file for --direct "\/list": /;
  for (
    const [file, wanted] of [
      [undefined, /there is no such file/],
      [{ content: "", isDirectory: true }, /it is a directory/],
      [{ content: "x".repeat(16 * 1024 * 1024 + 1) }, /over 16 MiB/],
      [{ content: "a.example\nhttp://b.example\n" }, /Line 2: Cannot read "http:/],
      [{ content: Uint8Array.of(0xff, 0xfe, 0x61, 0, 0x0a, 0) }, /it is UTF-16 text/],
    ] as const
  ) {
    const message = await refusal(file);
    assert.match(message, name);
    assert.match(message, wanted);
  }
});
