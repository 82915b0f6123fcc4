/** Transfers that break off, and go on where they were. */
import assert from "node:assert/strict";
import { together } from "../together.ts";
import { expectCode, randomBytes, TransferWorld } from "./transfer_ends.ts";

const MB = 1024 * 1024;
const SIZE = 12 * MB;

/** Bytes per second, so that there is a middle to break off in. */
const SLOW = ["--limit", "1M"];

const RECEIVE = ["receive", "-o", "out", "--yes", "--keep-session", "1"];

const add = together("transfers that break off go on");

for (const killed of ["sender", "receiver"] as const) {
  add(`a transfer goes on where it was when its ${killed} was killed`, async () => {
    await using world = new TransferWorld();
    const bytes = randomBytes(SIZE);
    world.write("big", bytes);
    const { end: receiver, address } = await world.listen(RECEIVE);
    const send = ["send", "big", "-s", address, "--keep-session", "1"];
    const sender = world.start([...send, ...SLOW]);
    await world.until(() => world.partBytes() >= MB);
    const ends = { sender, receiver };
    ends[killed].signal("SIGKILL");
    const other = killed === "sender" ? receiver : sender;
    await expectCode(other, 16);
    assert.match(other.output, /of 12\.6 MB had gone over; what is there stays/);
    const there = world.partBytes();
    assert.ok(there >= MB && there < SIZE);
    assert.equal(world.names().length, 1, "nothing has the name of the whole file");

    const { end: again, address: at } = await world.listen(RECEIVE);
    const rest = world.start(["send", "big", "-s", at, "--limit", "200M"]);
    await expectCode(rest, 0);
    await expectCode(again, 0);
    assert.deepEqual(world.names(), ["big"]);
    assert.deepEqual(Deno.readFileSync(`${world.path}/out/big`), bytes);
  });
}
