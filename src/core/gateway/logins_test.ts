import assert from "node:assert/strict";
import { readLogins } from "./logins.ts";
import { formatPasswordHash, parsePasswordHash } from "./password_hash.ts";

const HASH =
  "$scrypt$ln=14,r=8,p=1$AQEBAQEBAQEBAQEBAQEBAQ$AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

Deno.test("a file of logins has a name and a password, or its hash, in each line", () => {
  const read = readLogins(`# users\nann:x\r\n\nbob:y:z\ncarl:${HASH}\n`);
  assert.deepEqual(read?.plain, ["ann:x", "bob:y:z"]);
  assert.deepEqual(read?.slow, [{ name: "carl", password: parsePasswordHash(HASH) }]);
  for (const text of ["", "#\n", "ann", "ann:x\nbob", "ann:$scrypt$ln=14", `a:${HASH}=`]) {
    assert.equal(readLogins(text), null);
  }
});

Deno.test("a hash is read as it is written, if its check takes no more than it may", () => {
  const read = parsePasswordHash(HASH)!;
  assert.deepEqual(read.salt, new Uint8Array(16).fill(1));
  assert.deepEqual(read.hash, new Uint8Array(32).fill(2));
  assert.equal(formatPasswordHash(read), HASH);
  for (const costs of ["ln=30,r=8,p=1", "ln=14,r=99,p=1", "ln=14,r=8,p=99", "ln=0,r=8,p=1"]) {
    assert.equal(parsePasswordHash(HASH.replace("ln=14,r=8,p=1", costs)), null);
  }
});
