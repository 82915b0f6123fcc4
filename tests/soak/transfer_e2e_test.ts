/** Many files, broken off and gone on with. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { expectCode, randomBytes, TransferWorld } from "../e2e/transfer_ends.ts";

const FILES = 10_000;
const FOLDERS = 100;

/** Bytes per second, so that there is a middle to break off in. */
const RATE = "2M";

/** Files that are there when the transfer is broken off, and whose end is killed. */
const CUTS = [
  { files: 2000, killed: ["sender"] },
  { files: 4500, killed: ["receiver"] },
  { files: 7000, killed: ["sender", "receiver"] },
] as const;

function filesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(`${path}/${name}`).map((one) => `${name}/${one}`) : [name]
  ).sort();
}

test("a folder of 10 000 files, broken off three times and gone on with, is equal at the end", async () => {
  await using world = new TransferWorld({ isLarge: true });
  for (let i = 0; i < FILES; i++) {
    const size = i % 1000 === 7 ? 1_500_000 : i % 10 === 0 ? 0 : i % 4000;
    world.write(`many/${i % FOLDERS}/file ${i}`, randomBytes(size));
  }
  const receive = ["receive", "-o", "out", "--yes", "--keep-session", "1"];
  const there = () => filesIn(`${world.path}/out`).filter((name) => !name.includes(".ttun-part-"));
  for (const { files, killed } of CUTS) {
    const { end: receiver, address } = await world.listen(receive);
    const send = ["send", "many", "-s", address, "--limit", RATE, "--keep-session", "1"];
    const sender = world.start(send);
    await world.until(() => there().length >= files);
    const ends = { sender, receiver };
    for (const end of killed) ends[end].signal("SIGKILL");
    await sender.closed;
    await receiver.closed;
    if (killed.length === 1) {
      const other = killed[0] === "sender" ? receiver : sender;
      await expectCode(other, 16);
      assert.match(other.output, /had gone over; what is there stays/);
    }
    assert.ok(there().length < FILES);
  }
  const { end: receiver, address } = await world.listen(receive);
  const sender = world.start(["send", "many", "-s", address]);
  await expectCode(sender, 0);
  await expectCode(receiver, 0);
  assert.match(receiver.output, new RegExp(`received {2}files=${FILES} `));
  const names = filesIn(`${world.path}/many`);
  assert.deepEqual(filesIn(`${world.path}/out/many`), names);
  for (const name of names) {
    const [a, b] = [`${world.path}/many/${name}`, `${world.path}/out/many/${name}`];
    assert.deepEqual(Deno.readFileSync(b), Deno.readFileSync(a), name);
  }
});
