import assert from "node:assert/strict";
import { test } from "../tests/check.ts";
import { formatted, REFERENCE, referencePage } from "./reference.ts";

test("reference: the page is what the program's tables say; deno task reference writes it anew", async () => {
  const page = await formatted(referencePage());
  assert.equal(await Deno.readTextFile(REFERENCE), page);
  assert.match(page, /\| `--key-file FILE`/);
});
