/** ttun receive against a sender that has the key and does harm with it. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { sha256 } from "../fake/sha256.ts";
import { announce, attack } from "../hostile/transfer_sender.ts";
import { write } from "../../src/app/loop/stream_io.ts";
import type { TransferStream } from "../../src/app/system/transfer_session.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { packMessage } from "../../src/core/transfer/messages.ts";
import { expectCode, TransferWorld } from "./transfer_ends.ts";
import { KEY } from "./tunnel.ts";

/** Runs an attack on a receiver of its own, which must end with this code; what it has said. */
async function against(
  world: TransferWorld,
  code: number,
  run: (on: TransferStream) => Promise<void>,
): Promise<string> {
  const { end, address } = await world.listen(["receive", "-o", "out", "--yes"]);
  await assert.rejects(attack(address, KEY, run), TtunError);
  await expectCode(end, code);
  return end.output;
}

/** Waits until the receiver has ended the transfer. @throws {TtunError} always */
async function refused({ messages }: TransferStream): Promise<never> {
  while (await messages.next() !== null);
  throw new TtunError("lost", "The receiver has ended it");
}

function hello(): Uint8Array {
  const digest = sha256();
  digest.update(utf8("hello"));
  const hash = digest.digest();
  return Uint8Array.of(
    0x04,
    5,
    ...utf8("hello"),
    ...packMessage({ kind: "piece", hash }),
    ...packMessage({ kind: "end", hash }),
  );
}

test("names that lead out of the folder, or steer a terminal, end the transfer", async () => {
  await using world = new TransferWorld();
  const secret = world.write("secret", "precious");
  for (const name of ["../secret", secret, "a\x1b]0;title\x07"]) {
    const output = await against(world, 2, async (on) => {
      await announce(on, { name });
      await refused(on);
    });
    assert.match(output, /its name is refused/);
    assert.equal(output.includes("\x1b"), false);
  }
  assert.equal(Deno.readTextFileSync(secret), "precious");
  assert.deepEqual(world.names(), []);
});

test("more bytes than announced leave no file", async () => {
  await using world = new TransferWorld();
  const output = await against(world, 16, async (on) => {
    await announce(on, { name: "file" });
    await write(on.stream, packMessage({ kind: "begin", index: 0, piece: 0 }));
    await write(on.stream, Uint8Array.of(0x04, 6, ...utf8("hello!")));
    await refused(on);
  });
  assert.match(output, /more bytes than announced/);
  assert.ok(world.names().every((name) => name.startsWith(".ttun-part-")));
});

test("a folder that becomes a link in the middle leads nowhere", async () => {
  await using world = new TransferWorld();
  Deno.mkdirSync(`${world.path}/outside`);
  const output = await against(world, 16, async (on) => {
    const { messages, stream } = on;
    const folder = { kind: "folder", size: 0 } as const;
    const folders = ["d", "e"].map((name) => ({ ...folder, name }));
    await announce(on, ...folders, ...["d/a", "e/x", "d/b"].map((name) => ({ name })));
    // All files are asked for, and so their folders are there.
    for (let asked = 0; asked < 3;) if ((await messages.expect()).kind === "want") asked++;
    Deno.renameSync(`${world.path}/out/d`, `${world.path}/out/old`);
    Deno.symlinkSync("../outside", `${world.path}/out/d`);
    for (const index of [2, 3, 4]) {
      await write(stream, packMessage({ kind: "begin", index, piece: 0 }));
      await write(stream, hello());
    }
    await write(stream, packMessage({ kind: "done" }));
    assert.deepEqual(await messages.expect(), { kind: "verdict", complete: 2, missing: 1 });
    await refused(on);
  });
  assert.match(output, /Cannot write d\/b: a part of its name is (?:a link|no folder)/);
  assert.deepEqual(world.names("outside"), []);
});
