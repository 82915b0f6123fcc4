/** ttun send and ttun receive as two processes. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { expectCode, MOST_MS, randomBytes, TransferWorld } from "./transfer_ends.ts";
import { KEY } from "./tunnel.ts";

test("a folder arrives as it is, whichever end waits, and a second time nothing is sent", async () => {
  await using world = new TransferWorld();
  const big = randomBytes(900_000);
  world.write("d/big", big);
  world.write("d/e/script", "#!/bin/sh\n", 0o4755);
  world.write("d/empty", "", 0o600);
  Deno.mkdirSync(`${world.path}/d/none`);
  Deno.utimeSync(`${world.path}/d/e/script`, 1_600_000_000, 1_600_000_000.25);
  const receive = ["receive", "-o", "out", "--yes"];
  const { end: receiver, address } = await world.listen(receive);
  const sender = world.start(["send", "d", "-s", address]);
  await expectCode(sender, 0);
  await expectCode(receiver, 0);
  assert.match(sender.output, /sent {2}files=3 bytes="900\.0 kB"/);
  assert.deepEqual(Deno.readFileSync(`${world.path}/out/d/big`), big);
  assert.deepEqual(world.names("out/d"), ["big", "e", "empty", "none"]);
  const script = Deno.statSync(`${world.path}/out/d/e/script`);
  assert.equal(script.mode! & 0o7777, 0o755 & ~Deno.umask());
  assert.equal(script.mtime!.getTime(), 1_600_000_000_250);
  assert.equal(Deno.statSync(`${world.path}/out/d/empty`).mode! & 0o777, 0o600);

  world.write("out/d/e/script", "mine");
  const { end: waiting, address: at } = await world.listen(["send", "d/big", "d"]);
  const again = world.start([...receive, "-s", at]);
  await expectCode(again, 16);
  await expectCode(waiting, 16);
  assert.match(again.output, /Cannot write d\/e\/script: another file of that name is there/);
  assert.match(again.output, /1 file of 4 did not arrive/);
  assert.equal(Deno.readTextFileSync(`${world.path}/out/d/e/script`), "mine");
  assert.deepEqual(Deno.readFileSync(`${world.path}/out/big`), big);
});

test("--overwrite replaces a file, links are followed only with --follow, a wrong key gets nothing", async () => {
  await using world = new TransferWorld();
  world.write("d/file", "new");
  world.write("other", "linked");
  Deno.symlinkSync("../other", `${world.path}/d/link`);
  world.write("out/d/file", "old");
  const refused = world.start(["send", "d", "-s", "127.0.0.1:1"]);
  await expectCode(refused, 2);
  assert.match(
    refused.output,
    /Cannot send d\/link: it is a link; --follow sends what links lead to/,
  );
  const { end: receiver, address } = await world.listen(
    ["receive", "-o", "out", "--yes", "--overwrite"],
  );
  const stranger = world.start(["send", "other", "-s", address], { key: `another ${KEY}` });
  await expectCode(stranger, 6); // nobody answers a stranger
  assert.match(stranger.output, /is it a ttun server with this key\?/);
  const sender = world.start(["send", "d", "--follow", "-s", address]);
  await expectCode(sender, 0);
  await expectCode(receiver, 0);
  assert.equal(Deno.readTextFileSync(`${world.path}/out/d/file`), "new");
  assert.equal(Deno.readTextFileSync(`${world.path}/out/d/link`), "linked");
  assert.deepEqual(world.names(), ["d"]);
});

test("standard input goes to standard output, over a unix socket", async () => {
  await using world = new TransferWorld();
  const url = `unix://${world.path}/socket`;
  const receiver = world.start(["receive", "-l", url, "-o", "-", "--yes"]);
  await receiver.waitFor(/waiting for the other end/, MOST_MS);
  const text = "0123456789abcde\n".repeat(100_000);
  const sender = world.start(["send", "-", "-s", url], { stdin: { text } });
  await expectCode(sender, 0);
  await expectCode(receiver, 0);
  assert.equal(receiver.stdout, text);
});

test("no room on the disk is said at both ends before the first byte", async () => {
  await using world = new TransferWorld();
  world.write("big", new Uint8Array(3_000_000));
  const inTmpfs = [
    "unshare",
    "-m",
    "sh",
    "-ec",
    'mount -t tmpfs -o size=1m none out; exec "$@"',
    "sh",
  ];
  const { end: receiver, address } = await world.listen(
    ["receive", "-o", "out", "--yes"],
    { wrap: inTmpfs },
  );
  const sender = world.start(["send", "big", "-s", address]);
  await expectCode(sender, 4);
  await expectCode(receiver, 13);
  for (const { output } of [sender, receiver]) {
    assert.match(output, /Cannot take 3000000 bytes: the disk has room for \d+/);
  }
});

test("the user is asked on the terminal, and by itself for a name that begins with a dot", async () => {
  await using world = new TransferWorld();
  world.write("file", "hello");
  world.write(".profile", "evil");
  const { end: sender, address } = await world.listen(["send", "file", ".profile"]);
  const receiver = world.start(["receive", address, "-o", "out"], {
    stdin: "piped",
    wrap: ["sh", "-c", 'exec script -qec "$*" /dev/null', "sh"],
  });
  await receiver.waitFor(/sends 2 files, 9 B:/, MOST_MS);
  await receiver.waitFor(/Take this\? \[y\/N\]/, MOST_MS);
  await receiver.write("y");
  await receiver.waitFor(/\.profile begins with a dot.*Take it\? \[y\/N\]/, MOST_MS);
  await receiver.write("n");
  await expectCode(sender, 16);
  await expectCode(receiver, 16);
  assert.deepEqual(world.names(), ["file"]);
});
