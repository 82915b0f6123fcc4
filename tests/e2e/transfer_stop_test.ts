/** Transfers that are ended by a user, or begun anew. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { expectCode, MOST_MS, randomBytes, TransferWorld } from "./transfer_ends.ts";

const MB = 1024 * 1024;
const SIZE = 12 * MB;

/** Bytes per second, so that there is a middle to end it in. */
const SLOW = ["--limit", "1M"];

const RECEIVE = ["receive", "-o", "out", "--yes"];

test("Ctrl-C at the receiver ends both, with words at the sender", async () => {
  await using world = new TransferWorld();
  world.write("big", randomBytes(SIZE));
  const { end: receiver, address } = await world.listen(RECEIVE);
  const sender = world.start(["send", "big", "-s", address, ...SLOW]);
  await world.until(() => world.partBytes() >= MB);
  receiver.signal("SIGINT");
  await expectCode(receiver, 16);
  assert.match(receiver.output, /Stopped before all was there/);
  await expectCode(sender, 16);
  assert.match(
    sender.output,
    /had gone over; what is there stays, and another run goes on with it/,
  );
  assert.ok(world.partBytes() >= MB);
});

test("a sender that comes anew takes over from one that has lost its connection", async () => {
  await using world = new TransferWorld();
  const bytes = randomBytes(SIZE);
  world.write("big", bytes);
  const { end: receiver, address } = await world.listen(RECEIVE);
  const first = world.start(["send", "big", "-s", address, ...SLOW]);
  await world.until(() => world.partBytes() >= MB);
  first.signal("SIGKILL");
  await first.closed;
  await receiver.waitFor(/disconnected/, MOST_MS);
  const second = world.start(["send", "big", "-s", address]);
  await expectCode(second, 0);
  await expectCode(receiver, 0);
  assert.deepEqual(Deno.readFileSync(`${world.path}/out/big`), bytes);
});
