import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { argvOf } from "./own_argv.ts";

function texts(area: string, args: readonly string[]): string[] | null {
  return argvOf(utf8(area), args)?.map((arg) => new TextDecoder().decode(arg)) ?? null;
}

Deno.test("arguments are those of the kernel, with hidden ones as they are shown there", () => {
  const args = ["client", "-k", "secret", "-f"];
  assert.deepEqual(texts("deno\0run\0-A\0main.ts\0client\0-k\0xxxxxx\0-f\0", args), [
    ...["deno", "run", "-A", "main.ts", "client", "-k", "xxxxxx", "-f"],
  ]);
  assert.deepEqual(texts("ttun\0client\0\0", ["client", ""]), ["ttun", "client", ""]);
});

Deno.test("a title in their place, or an area that is cut off, is not taken for arguments", () => {
  const args = ["client", "-f"];
  for (const area of ["ttun client -f\0", "ttun client -f", "a\0b\0c\0", "client\0-f\0", ""]) {
    assert.equal(texts(area, args), null, area);
  }
});
