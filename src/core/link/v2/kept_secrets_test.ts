import assert from "node:assert/strict";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { utf8 } from "../../../base/bytes.ts";
import { KeptSecrets, MOST_SECRET_BYTES, SALT_SIZE } from "./kept_secrets.ts";

const rng = seededRng(4);
const ANN = utf8("annsKey");
const BOB = utf8("bobsKey");

Deno.test("secrets are found again by their keys, those used last first, and no key is in the file", () => {
  const before = new KeptSecrets("", rng(SALT_SIZE));
  const [anns, bobs] = [rng(32), rng(32)];
  assert.equal(before.get(ANN), undefined);
  before.keep(ANN, anns, 1000);
  before.keep(BOB, bobs, 2000);
  before.use(ANN, 3000);
  const text = before.write(3000);
  assert(!text.includes("annsKey"));
  const after = new KeptSecrets(text, rng(SALT_SIZE));
  assert.deepEqual([after.get(ANN), after.get(BOB)], [anns, bobs]);
  assert.deepEqual([after.usedAt(ANN), after.usedAt(BOB), after.usedAt(utf8("x"))], [
    3000,
    2000,
    0,
  ]);
  assert.equal(after.write(3000), text);
  const later = 90 * 24 * 3600 * 1000 + 2500;
  assert.notEqual(new KeptSecrets(after.write(later), rng(SALT_SIZE)).get(ANN), undefined);
  assert.equal(new KeptSecrets(after.write(later), rng(SALT_SIZE)).get(BOB), undefined);
});

Deno.test("a file that is damaged, or of another salt, has no secrets of ours", () => {
  const good = new KeptSecrets("", rng(SALT_SIZE));
  good.keep(ANN, rng(32), 1);
  const text = good.write(1);
  for (
    const bad of [
      "",
      text.replace(/^salt .*$/m, ""),
      text.replace(/^salt .*$/m, "salt 00112233445566778899aabbccddeeff"),
      text.slice(0, -10),
      "\0".repeat(100),
    ]
  ) {
    assert.equal(new KeptSecrets(bad, rng(SALT_SIZE)).get(ANN), undefined);
  }
});

Deno.test("a file has room for the most keys that a server takes, and no more than its limit", () => {
  const all = new KeptSecrets("", rng(SALT_SIZE));
  for (let i = 0; i < 1000; i++) all.keep(utf8(`key ${i}`), rng(32), 1_790_000_000_000 + i);
  const text = all.write(1_790_000_000_000);
  assert(text.length <= MOST_SECRET_BYTES);
  const after = new KeptSecrets(text, rng(SALT_SIZE));
  assert.notEqual(after.get(utf8("key 999")), undefined);
  assert.equal(after.get(utf8("key 0")), undefined);
});

Deno.test("two programs that share a file keep each other's secrets", () => {
  const first = new KeptSecrets("", rng(SALT_SIZE));
  first.keep(ANN, rng(32), 1);
  const text = first.write(1);
  const second = new KeptSecrets(text, rng(SALT_SIZE));
  second.keep(BOB, rng(32), 2);
  first.add(second.write(2));
  assert.notEqual(new KeptSecrets(first.write(2), rng(SALT_SIZE)).get(BOB), undefined);
  const other = new KeptSecrets("", rng(SALT_SIZE));
  other.add(text);
  assert.equal(other.get(ANN), undefined, "it has another salt");
});
