import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { test } from "../../../tests/check.ts";
import { keepAccess, readAccess } from "./access_folder.ts";
import { KeptAccessKeys } from "./kept_access.ts";

const key = (name: string, label: string) => {
  return { name, label, since: 1_800_000_000_000, secret: new Uint8Array(32).fill(7) };
};

test("access keys follow their file; one that cannot be read leaves those that there are", async () => {
  const folder = Deno.makeTempDirSync();
  using _folder = { [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
  keepAccess(folder, [key("nas", "ann"), key("other", "ben")]);
  assert.deepEqual(readAccess(folder), [key("nas", "ann"), key("other", "ben")]);
  assert.equal((Deno.statSync(`${folder}/access.json`).mode ?? 0) & 0o777, 0o600);
  const clock = new FakeClock();
  const { log, records } = keptLog(clock);
  const { signal } = new AbortController();
  const linkSecret = () => Promise.resolve(new Uint8Array(32));
  using keys = new KeptAccessKeys({ folder, clock, log, signal, linkSecret });
  const ring = keys.ringOf("nas", false);
  const replaced: string[][] = [];
  ring.replace = (now) => void replaced.push(now.map(({ name }) => name));
  await clock.advance(3_000);
  assert.deepEqual(replaced, []);
  keepAccess(folder, [key("nas", "ann"), key("nas", "eve"), key("other", "ben")]);
  await clock.advance(1_000);
  assert.deepEqual(replaced, [["ann", "eve"]]);
  Deno.writeTextFileSync(`${folder}/access.json`, "no keys");
  await clock.advance(1_000);
  Deno.removeSync(`${folder}/access.json`);
  await clock.advance(1_000);
  assert.deepEqual(replaced, [["ann", "eve"], []]);
  keys.forget("nas", ring);
  keepAccess(folder, [key("nas", "ann")]);
  await clock.advance(1_000);
  assert.equal(replaced.length, 2);
  assert(records.some(({ message }) => message === "Cannot read the access keys now"));
});

test("more access keys than can be read again are refused, and those that there are stay", () => {
  const folder = Deno.makeTempDirSync();
  using _folder = { [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
  keepAccess(folder, [key("nas", "ann")]);
  const many = Array.from({ length: 4000 }, (_, i) => key("nas", `label-${i}`));
  assert.throws(() => keepAccess(folder, many), { kind: "exhausted", message: /revoke those/ });
  assert.deepEqual(readAccess(folder), [key("nas", "ann")]);
});

test("public services have one key, whose secret is worked out once", async () => {
  const folder = Deno.makeTempDirSync();
  using _folder = { [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
  const clock = new FakeClock();
  const { log } = keptLog(clock);
  const { signal } = new AbortController();
  let count = 0;
  const linkSecret = () => Promise.resolve(new Uint8Array(32).fill(++count));
  using keys = new KeptAccessKeys({ folder, clock, log, signal, linkSecret });
  for (const name of ["nas", "other"]) keys.ringOf(name, true);
  await clock.settle();
  assert.equal(count, 1);
});
