import assert from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { memoryPair } from "../../../tests/fake/memory.ts";
import { readAll } from "../../../tests/fake/read_all.ts";
import { sha256 } from "../../../tests/fake/sha256.ts";
import { MemoryFolder, MemorySources } from "../../../tests/fake/transfer_files.ts";
import { pattern } from "../../../tests/fake/tt_ends.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Entry } from "../../core/transfer/entry.ts";
import type { Manifest } from "../../core/transfer/manifest.ts";
import { packManifest } from "../../core/transfer/manifest.ts";
import { packMessage } from "../../core/transfer/messages.ts";
import { PIECE } from "../../core/transfer/pieces.ts";
import { write } from "../loop/stream_io.ts";
import { MessageStream } from "./message_stream.ts";
import { type Agreement, receiveFiles, type ReceiveOptions } from "./receive_files.ts";
import { sendFiles, type SendOptions } from "./send_files.ts";
import { newCount } from "./transfer.ts";

const YES: Agreement = { isAccepted: true, declined: new Set() };

interface TransferOptions {
  readonly sources?: MemorySources;
  readonly folder?: MemoryFolder;
  readonly send?: Partial<SendOptions>;
  readonly receive?: Partial<ReceiveOptions>;
  readonly overwrites?: boolean;
  /** Bytes that the stream holds. */
  readonly capacity?: number;
}

/** Both ends of a transfer, and what they say. */
function start(o: TransferOptions) {
  const { sources = new MemorySources({ a: utf8("hello") }), folder = new MemoryFolder() } = o;
  const clock = new FakeClock();
  const [here, there] = memoryPair(o.capacity === undefined ? {} : { capacity: o.capacity });
  const stop = new AbortController();
  const told: { sender: string[]; receiver: string[] } = { sender: [], receiver: [] };
  const counts = { sender: newCount(), receiver: newCount() };
  const common = { sha256, clock };
  const sent = sendFiles({
    ...common,
    stream: here,
    messages: new MessageStream(here),
    count: counts.sender,
    tell: (words) => told.sender.push(words),
    manifest: sources.manifest,
    open: sources.openFile,
    signal: stop.signal,
    ...o.send,
  }).catch((error: Error) => error);
  const received = receiveFiles({
    ...common,
    stream: there,
    messages: new MessageStream(there),
    count: counts.receiver,
    tell: (words) => told.receiver.push(words),
    target: { folder, overwrites: o.overwrites ?? false },
    agree: () => Promise.resolve(YES),
    signal: stop.signal,
    ...o.receive,
  }).catch((error: Error) => error);
  return { sources, folder, clock, here, there, stop, told, counts, sent, received };
}

async function transfer(o: TransferOptions) {
  const running = start(o);
  const sent = await running.clock.until(running.sent);
  const received = await running.clock.until(running.received);
  assert.equal(running.sources.open, 0, "files of the sender are closed");
  assert.equal(running.folder.open_, 0, "files of the receiver are closed");
  assert.equal(running.clock.pending, 0);
  return { ...running, sent, received };
}

const BIG = pattern(3 * PIECE + 77, 5);
const TREE = {
  "d": null,
  "d/big": BIG,
  "d/empty": new Uint8Array(),
  "d/e": null,
  "d/e/one": utf8("one"),
  "d/exact": pattern(PIECE, 9),
};
const FILES = 4;

function assertTree(folder: MemoryFolder): void {
  for (const [name, bytes] of Object.entries(TREE)) {
    if (bytes === null) assert.ok(folder.folders.has(name));
    else assert.deepEqual(folder.files.get(name), bytes, name);
  }
  assert.deepEqual([...folder.parts.keys()], []);
}

Deno.test("files and folders arrive with their attributes, and both ends say so", async () => {
  for (const capacity of [100, 20_000, undefined]) {
    const { folder, sent, received, counts } = await transfer({
      sources: new MemorySources(TREE),
      ...(capacity !== undefined && { capacity }),
    });
    assertTree(folder);
    assert.deepEqual(sent, { complete: FILES, missing: 0 });
    assert.deepEqual(received, sent);
    assert.deepEqual(folder.finished, ["d/e", "d"]);
    assert.deepEqual(folder.attributes.get("d/big"), {
      mode: 0o644,
      modified: { seconds: 1_700_000_000, nanoseconds: 5 },
    });
    const bytes = BIG.length + 3 + PIECE;
    for (const count of [counts.sender, counts.receiver]) {
      assert.deepEqual(count, { bytes, files: FILES, acceptedAt: 0 });
    }
  }
});

Deno.test("a thousand files are asked for ahead, and all arrive", async () => {
  const names = Array.from({ length: 1000 }, (_, i) => `file ${i}`);
  const sources = new MemorySources(
    Object.fromEntries(names.map((name) => [name, utf8(name)])),
  );
  const { folder, received } = await transfer({ sources });
  assert.deepEqual(received, { complete: 1000, missing: 0 });
  for (const name of names) assert.deepEqual(folder.files.get(name), utf8(name));
});

Deno.test("a transfer that broke off goes on at the first piece that differs", async () => {
  const cases = [
    { there: BIG.slice(0, 2 * PIECE + 5), from: 2 },
    { there: BIG.slice(0, PIECE - 1), from: 0 },
    { there: BIG.slice(), from: 4 },
    { there: pattern(2 * PIECE, 77), from: 0 },
    { there: pattern(8 * PIECE, 77), from: 0 },
  ];
  const changed = BIG.slice();
  changed[PIECE + 3]! ^= 1;
  cases.push({ there: changed, from: 1 });
  for (const { there, from } of cases) {
    const folder = new MemoryFolder();
    folder.parts.set("d/big", there);
    const { received, counts, here, told } = await transfer({
      sources: new MemorySources(TREE),
      folder,
    });
    assertTree(folder);
    assert.deepEqual(received, { complete: FILES, missing: 0 }, told.receiver.join());
    assert.equal(counts.receiver.bytes, BIG.length + 3 + PIECE, "all bytes are counted");
    assert.ok(here);
    assert.ok(from <= 4);
  }
});

Deno.test("only what is missing is sent again", async () => {
  const folder = new MemoryFolder();
  folder.parts.set("d/big", BIG.slice(0, 2 * PIECE));
  folder.folders.add("d");
  folder.files.set("d/exact", TREE["d/exact"].slice());
  let bytes = 0;
  const { received } = await transfer({
    sources: new MemorySources(TREE),
    folder,
    send: { pace: (more) => void (bytes += more) },
  });
  assert.deepEqual(received, { complete: FILES, missing: 0 });
  assertTree(folder);
  assert.equal(bytes, BIG.length - 2 * PIECE + 3);
});

Deno.test("what is there with other content stays, unless it may be overwritten", async () => {
  const other = pattern(BIG.length, 50);
  for (const [there, overwrites] of [[other, false], [utf8("x"), false], [other, true]] as const) {
    const folder = new MemoryFolder();
    folder.files.set("d/big", there);
    const { received, sent, told } = await transfer({
      sources: new MemorySources(TREE),
      folder,
      overwrites,
    });
    if (overwrites) {
      assertTree(folder);
      continue;
    }
    assert.deepEqual(folder.files.get("d/big"), there);
    assert.deepEqual(received, { complete: FILES - 1, missing: 1 });
    assert.deepEqual(sent, received);
    assert.match(
      told.receiver.join(),
      /d\/big: another file of that name is there \(--overwrite\)/,
    );
  }
});

Deno.test("with --overwrite the pieces in common are not sent again", async () => {
  const folder = new MemoryFolder();
  const before = BIG.slice();
  before[3 * PIECE]! ^= 1;
  folder.files.set("big", before);
  let bytes = 0;
  await transfer({
    sources: new MemorySources({ big: BIG }),
    folder,
    overwrites: true,
    send: { pace: (more) => void (bytes += more) },
  });
  assert.deepEqual(folder.files.get("big"), BIG);
  assert.equal(bytes, 77);
});

Deno.test("a file that changes while it is sent is not sent, and others are", async () => {
  for (const after of [-1, 0, 2 * PIECE]) {
    const sources = new MemorySources(TREE);
    sources.changed.set("d/big", after);
    const { folder, sent, received, told } = await transfer({ sources });
    assert.equal(folder.files.has("d/big"), false);
    assert.equal(folder.parts.has("d/big"), false);
    assert.deepEqual(sent, { complete: FILES - 1, missing: 1 });
    assert.deepEqual(received, sent);
    assert.match(told.sender.join(), /d\/big has changed since it was announced/);
    assert.match(told.receiver.join(), /does not send d\/big: it has changed meanwhile/);
  }
});

Deno.test("a file with more bytes than its size says is not sent", async () => {
  const sources = new MemorySources({ cpuinfo: new Uint8Array(), other: utf8("other") });
  const open = (index: number) => {
    const file = sources.openFile(index);
    return {
      ...file,
      read: (at: number, into: Uint8Array) => index === 0 ? 1 : file.read(at, into),
    };
  };
  const { folder, sent, told } = await transfer({ sources, send: { open } });
  assert.deepEqual(sent, { complete: 1, missing: 1 });
  assert.deepEqual([...folder.files.keys()], ["other"]);
  assert.deepEqual(told.sender, ["cpuinfo has changed since it was announced: it is not sent"]);
});

Deno.test("a file that cannot be opened or written is missing, and others are there", async () => {
  const sources = new MemorySources(TREE);
  const open = (index: number) => {
    if (sources.manifest.entries[index]!.name === "d/big") {
      throw new TtunError("privilege", "Cannot read d/big: this user may not");
    }
    return sources.openFile(index);
  };
  const folder = new MemoryFolder();
  folder.broken.set("d/exact", new TtunError("system", "Cannot write d/exact: the disk is bad"));
  const { sent, told } = await transfer({ sources, folder, send: { open } });
  assert.deepEqual(sent, { complete: FILES - 2, missing: 2 });
  assert.deepEqual(told.sender, ["Cannot read d/big: this user may not"]);
  assert.deepEqual(told.receiver, [
    "The sender does not send d/big: it cannot be read",
    "Cannot write d/exact: the disk is bad",
  ]);
});

Deno.test("what is there of a file that cannot be read any more stays for another run", async () => {
  const sources = new MemorySources({ big: BIG });
  const open = (index: number) => {
    const file = sources.openFile(index);
    return {
      ...file,
      read: (at: number, into: Uint8Array) => {
        if (at >= 2 * PIECE && at < BIG.length) throw new TtunError("system", "Cannot read big");
        return file.read(at, into);
      },
    };
  };
  const { folder, received } = await transfer({ sources, send: { open } });
  assert.deepEqual(received, { complete: 0, missing: 1 });
  assert.equal(folder.partSize("big"), 2 * PIECE);
  let bytes = 0;
  await transfer({ sources, folder, send: { pace: (more) => void (bytes += more) } });
  assert.deepEqual(folder.files.get("big"), BIG);
  assert.equal(bytes, BIG.length - 2 * PIECE);
});

Deno.test("a file in the place of a folder keeps all out that belongs there", async () => {
  const folder = new MemoryFolder();
  folder.files.set("d/e", utf8("a file"));
  const { received, told } = await transfer({ sources: new MemorySources(TREE), folder });
  assert.deepEqual(received, { complete: FILES - 1, missing: 1 });
  assert.deepEqual(told.receiver, ["Cannot make the folder d/e"]);
});

Deno.test("no room is said before the first byte, to both", async () => {
  const folder = new MemoryFolder();
  folder.free = BIG.length - PIECE - 1;
  folder.parts.set("big", BIG.slice(0, PIECE));
  const sources = new MemorySources({ big: BIG });
  let isAsked = false;
  const agree = () => {
    isAsked = true;
    return Promise.resolve(YES);
  };
  const { sent, received, counts } = await transfer({ sources, folder, receive: { agree } });
  assert.match(String(received), /Cannot take \d+ bytes: the disk has room for \d+/);
  assert.match(String(sent), /does not go on: Cannot take \d+ bytes: the disk has room/);
  assert.equal(counts.sender.acceptedAt !== null || isAsked, false);
  folder.free++;
  assert.deepEqual((await transfer({ sources, folder })).received, { complete: 1, missing: 0 });
});

Deno.test("a file that is replaced needs room beside its old one, and one that stays needs none", async () => {
  const sources = new MemorySources({ big: BIG, other: BIG });
  const folder = new MemoryFolder();
  for (const name of ["big", "other"]) folder.files.set(name, pattern(BIG.length, 50));
  folder.free = BIG.length - 1;
  const { received: kept } = await transfer({ sources, folder });
  assert.deepEqual(kept, { complete: 0, missing: 2 });
  const { received: refused } = await transfer({ sources, folder, overwrites: true });
  assert.match(String(refused), /the disk has room for/);
  folder.free++; // the first one's old bytes are free before the second one needs them
  const { received } = await transfer({ sources, folder, overwrites: true });
  assert.deepEqual(received, { complete: 2, missing: 0 });
});

Deno.test("who ends a transfer does not wait until all is looked at, compared or taken over", async () => {
  const ended = new TtunError("partial", "Stopped");
  const names = Array.from({ length: 1000 }, (_, i) => `file ${i}`);
  const files = Object.fromEntries(names.map((name) => [name, utf8("x")]));
  class Counted extends MemoryFolder {
    looks = 0;
    override partSize(name: string): number {
      if (++this.looks === 1) looking.stop.abort(ended);
      return super.partSize(name);
    }
  }
  const counted = new Counted();
  const looking = start({ sources: new MemorySources(files), folder: counted });
  assert.equal(await looking.clock.until(looking.received), ended);
  assert.ok(counted.looks < names.length, "it looks at all");
  looking.there.reset();
  await looking.clock.until(looking.sent);

  const folder = new MemoryFolder();
  folder.parts.set("big", BIG.slice());
  let compared = 0;
  const sources = new MemorySources({ big: BIG });
  const comparing = start({
    sources,
    folder,
    send: {
      open: (index) => {
        const file = sources.openFile(index);
        return {
          ...file,
          read: (at, into) => {
            if (at < BIG.length && ++compared === 1) comparing.stop.abort(ended);
            return file.read(at, into);
          },
        };
      },
    },
  });
  assert.equal(await comparing.clock.until(comparing.sent), ended);
  assert.equal(compared, 1);
  comparing.here.reset();
  await comparing.clock.until(comparing.received);

  let taken = 0;
  const old = new MemoryFolder();
  old.files.set("big", BIG.slice());
  const taking = start({ sources, folder: old, overwrites: true });
  const open = old.openPart.bind(old);
  old.openPart = (name) => {
    const part = open(name);
    return {
      ...part,
      write: (at, bytes) => {
        if (++taken === 1) taking.stop.abort(ended);
        part.write(at, bytes);
      },
    };
  };
  assert.equal(await taking.clock.until(taking.received), ended);
  assert.equal(taken, 1);
  taking.there.reset();
  await taking.clock.until(taking.sent);
  assert.equal(sources.open + folder.open_ + old.open_ + taking.clock.pending, 0);
});

Deno.test("a disk that is full in the middle ends the transfer, with words for both", async () => {
  for (const capacity of [10_000, undefined]) {
    const folder = new MemoryFolder();
    folder.broken.set("d/big", new TtunError("exhausted", "Cannot write d/big: no room"));
    const { sent, received } = await transfer({
      sources: new MemorySources(TREE),
      folder,
      ...(capacity !== undefined && { capacity }),
    });
    assert.match(String(received), /Cannot write d\/big: no room/);
    assert.match(String(sent), /The other end does not go on: Cannot write d\/big: no room/);
  }
});

Deno.test("descriptors that run out end the transfer, also where many files were asked for", async () => {
  const files = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [`file ${i}`, pattern(20_000, i)]),
  );
  for (const capacity of [1000, undefined]) {
    const folder = new MemoryFolder();
    folder.shut.set(
      "file 70",
      new TtunError("exhausted", "Cannot write file 70: out of descriptors"),
    );
    const { sent, received } = await transfer({
      sources: new MemorySources(files),
      folder,
      ...(capacity !== undefined && { capacity }),
    });
    assert.match(String(received), /out of descriptors/);
    assert.match(String(sent), /out of descriptors|lost/);
  }
});

Deno.test("however often a transfer breaks off, and whatever was there, it is whole at the end", async () => {
  const size = fc.oneof(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: PIECE - 1, max: PIECE + 1 }),
    fc.integer({ min: 0, max: 2 * PIECE + 5 }),
  );
  const plan = fc.record({
    sizes: fc.array(size, { minLength: 1, maxLength: 4 }),
    // Bytes of each file that are there unfinished, and which of them is another.
    parts: fc.array(fc.tuple(size, fc.integer({ min: -1, max: 2 * PIECE })), { maxLength: 3 }),
    cuts: fc.array(fc.integer({ min: 1, max: 3 * PIECE }), { maxLength: 4 }),
    capacity: fc.constantFrom(50, 70_000, 400_000),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ sizes, parts, cuts, capacity }) => {
      const files = Object.fromEntries(sizes.map((size, i) => [`file ${i}`, pattern(size, i)]));
      const folder = new MemoryFolder();
      for (const [i, [size, changed]] of parts.entries()) {
        const bytes = pattern(size, i);
        if (changed >= 0 && changed < size) bytes[changed]! ^= 0x55;
        folder.parts.set(`file ${i}`, bytes);
      }
      for (const cut of cuts) {
        let bytes = 0;
        const running = start({
          sources: new MemorySources(files),
          folder,
          capacity,
          send: {
            pace: (more) => {
              bytes += more;
              if (bytes > cut) running.there.reset();
            },
          },
        });
        await running.clock.until(running.sent);
        await running.clock.until(running.received);
        assert.equal(running.sources.open + folder.open_ + running.clock.pending, 0);
      }
      const { received } = await transfer({ sources: new MemorySources(files), folder, capacity });
      assert.deepEqual(received, { complete: sizes.length, missing: 0 });
      for (const [name, bytes] of Object.entries(files)) {
        assert.deepEqual(folder.files.get(name), bytes);
      }
    }),
    { numRuns: 15 },
  );
});

Deno.test("a sender that leaves, or does not go on, while the user is asked ends the question", async () => {
  const leaves: [RegExp, (sender: Connection) => void][] = [
    [/reset/, (sender) => sender.reset()],
    [/the end comes out of turn/, (sender) => void sender.closeWrite()],
    [
      /does not go on: no more/,
      (sender) => void sender.writeNow(packMessage({ kind: "refuse", words: "no more" })),
    ],
  ];
  for (const [why, leave] of leaves) {
    const asked = Promise.withResolvers<AbortSignal>();
    const agree = (_: Manifest, signal: AbortSignal) => {
      asked.resolve(signal);
      return new Promise<never>(() => {});
    };
    const { clock, here, received, sent } = start({ receive: { agree } });
    const signal = await clock.until(asked.promise);
    assert(!signal.aborted);
    leave(here);
    assert.match(String(await clock.until(received)), why);
    assert.match(String(signal.reason), why);
    here.reset();
    await clock.until(sent);
  }
});

Deno.test("a user who does not agree gets nothing, and one who declines a name gets the rest", async () => {
  const agree = () => Promise.resolve({ isAccepted: false, declined: new Set<string>() });
  const refused = await transfer({ receive: { agree } });
  assert.equal((refused.received as TtunError).kind, "partial");
  assert.match(String(refused.sent), /it was not wanted/);
  const declines = () => Promise.resolve({ isAccepted: true, declined: new Set([".ssh"]) });
  const sources = new MemorySources({ ".ssh": null, ".ssh/keys": utf8("x"), "a": utf8("y") });
  const { folder, received } = await transfer({ sources, receive: { agree: declines } });
  assert.deepEqual([...folder.files.keys()], ["a"]);
  assert.deepEqual([...folder.folders], []);
  assert.deepEqual(received, { complete: 1, missing: 1 });
});

const STREAM: Entry = {
  kind: "stream",
  name: "stdin",
  size: 0,
  mode: 0o600,
  modified: { seconds: 0, nanoseconds: 0 },
};

Deno.test("standard input goes to a file or to standard output, of any length", async () => {
  for (const length of [0, 1, PIECE, 2 * PIECE + 5]) {
    const bytes = pattern(length, 3);
    for (const toOutput of [false, true]) {
      const [input, feed] = memoryPair();
      const [output, reader] = memoryPair();
      const fed = write(feed, bytes);
      void Promise.resolve(fed).then(() => feed.closeWrite());
      const heard = readAll(reader);
      const manifest: Manifest = { entries: [STREAM], bytes: 0, files: 1 };
      const { folder, received } = await transfer({
        send: { manifest, input },
        ...(toOutput && { receive: { target: { output } } }),
      });
      assert.deepEqual(received, { complete: 1, missing: 0 });
      const got = toOutput ? await heard : folder.files.get("stdin") ?? new Uint8Array();
      assert.deepEqual(got, bytes);
      output.reset();
      await heard.catch(() => {});
    }
  }
});

Deno.test("nothing stays of standard input that broke off, as nobody can go on with it", async () => {
  const [input, feed] = memoryPair();
  const manifest: Manifest = { entries: [STREAM], bytes: 0, files: 1 };
  const running = start({ send: { manifest, input } });
  const { clock, folder } = running;
  await write(feed, pattern(100_000, 1));
  await clock.settle();
  assert.equal(folder.partSize("stdin"), 100_000);
  feed.reset();
  assert.equal((await clock.until<unknown>(running.sent) as TtunError).kind, "lost");
  running.here.reset();
  assert.equal((await clock.until<unknown>(running.received) as TtunError).kind, "lost");
  assert.deepEqual([folder.parts.size, folder.files.size, folder.open_], [0, 0, 0]);
});

Deno.test("a sender whose input fails says why", async () => {
  const [broken] = memoryPair();
  broken.readNow = () => {
    throw new TtunError("system", "Cannot read standard input: EIO");
  };
  const manifest: Manifest = { entries: [STREAM], bytes: 0, files: 1 };
  const { sent, received } = await transfer({ send: { manifest, input: broken } });
  assert.match(String(sent), /Cannot read standard input: EIO/);
  assert.match(String(received), /The other end does not go on: Cannot read standard input: EIO/);
});

Deno.test("a file goes to standard output, and more than one does not", async () => {
  const [output, reader] = memoryPair();
  const heard = readAll(reader);
  const sources = new MemorySources({ big: BIG });
  const { received } = await transfer({ sources, receive: { target: { output } } });
  assert.deepEqual(received, { complete: 1, missing: 0 });
  assert.deepEqual(await heard, BIG);
  const more = await transfer({
    sources: new MemorySources(TREE),
    receive: { target: { output: memoryPair()[0] } },
  });
  assert.match(String(more.received), /more than one file to standard output/);
});

/** A receiver whose sender is the test. */
function hostile(folder = new MemoryFolder()) {
  const clock = new FakeClock();
  const [sender, stream] = memoryPair();
  const received = receiveFiles({
    sha256,
    clock,
    stream,
    messages: new MessageStream(stream),
    count: newCount(),
    tell: () => {},
    target: { folder, overwrites: false },
    agree: () => Promise.resolve(YES),
    signal: new AbortController().signal,
  }).catch((error: Error) => error);
  return { clock, sender, received, folder };
}

function entryOf(name: string, size = 5): Entry {
  return { ...STREAM, kind: "file", name, size };
}

async function announce(sender: Connection, ...entries: Entry[]): Promise<void> {
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  for (const packed of packManifest({ entries, bytes, files: entries.length })) {
    await write(sender, packed);
  }
}

Deno.test("a hostile sender's names are refused, and nothing is written", async () => {
  for (const name of ["../x", "/etc/x", "a/../../x", "", "a\x1b[2J", "d/x", "."]) {
    const { clock, sender, received, folder } = hostile();
    await announce(sender, entryOf(name));
    await sender.closeWrite();
    const error = await clock.until(received);
    assert.ok(error instanceof TtunError && error.kind === "usage", String(error));
    assert.equal(error.message.includes("\x1b"), false);
    assert.equal(folder.parts.size + folder.files.size + folder.folders.size, 0);
    assert.match(
      new TextDecoder().decode(await readAll(sender)),
      /its name is refused|folder is missing/,
    );
  }
});

Deno.test("a sender that sends more, less or something else than announced gets no file", async () => {
  const data = (text: string) => {
    const bytes = utf8(text);
    return [0x04, bytes.length, ...bytes];
  };
  const begin = [...packMessage({ kind: "begin", index: 0, piece: 0 })];
  const badPiece = [...packMessage({ kind: "piece", hash: new Uint8Array(32) })];
  const digest = sha256();
  digest.update(utf8("hello"));
  const hash = digest.digest();
  const piece = [...packMessage({ kind: "piece", hash })];
  const badEnd = [...packMessage({ kind: "end", hash: new Uint8Array(32) })];
  const cases: number[][] = [
    [...begin, ...data("hello!")],
    [...begin, ...data("hello"), ...data("!")],
    [...begin, ...data("hello"), ...badPiece],
    [...begin, ...data("hell"), ...piece],
    [...begin, ...begin],
    [...data("hello")],
    [...packMessage({ kind: "begin", index: 1, piece: 0 })],
    [...packMessage({ kind: "begin", index: 0, piece: 1 })],
    [...packMessage({ kind: "done" })],
    [...begin, ...data("hello"), ...piece, ...badEnd, ...packMessage({ kind: "done" })],
    [...begin, ...data("hel")],
  ];
  for (const bytes of cases) {
    const { clock, sender, received, folder } = hostile();
    await announce(sender, entryOf("a"));
    await clock.settle();
    await write(sender, Uint8Array.from(bytes));
    await sender.closeWrite();
    const result = await clock.until(received);
    if (result instanceof Error) {
      assert.ok(result instanceof TtunError && result.kind === "protocol", String(result));
    } else assert.deepEqual(result, { complete: 0, missing: 1 });
    assert.equal(folder.files.size, 0);
    assert.equal(folder.open_, 0);
    assert.equal(clock.pending, 0);
  }
});

Deno.test("a lost connection leaves what has come, and is an error at both ends", async () => {
  let sentBytes = 0;
  const pace = (bytes: number) => {
    sentBytes += bytes;
    if (sentBytes > 2 * PIECE) running.there.reset();
  };
  const running = start({
    sources: new MemorySources({ big: BIG }),
    capacity: 50_000,
    send: { pace },
  });
  const { clock, folder } = running;
  for (const end of [running.sent, running.received]) {
    assert.equal((await clock.until<unknown>(end) as TtunError).kind, "lost");
  }
  assert.equal(folder.files.size, 0);
  assert.ok(folder.partSize("big") >= PIECE);
  assert.equal(folder.open_ + running.sources.open + clock.pending, 0);
  const again = await transfer({ sources: running.sources, folder });
  assert.deepEqual(again.received, { complete: 1, missing: 0 });
  assert.deepEqual(folder.files.get("big"), BIG);
});

Deno.test("a receiver that does not keep to the protocol is told, and files are closed", async () => {
  const sources = new MemorySources(TREE);
  for (
    const bytes of [
      packMessage({ kind: "verdict", complete: 1, missing: 0 }),
      Uint8Array.of(...packMessage({ kind: "accept" }), ...packMessage({ kind: "skip", index: 0 })),
      Uint8Array.of(0x77, 0),
    ]
  ) {
    const clock = new FakeClock();
    const [stream, receiver] = memoryPair();
    const sent = sendFiles({
      sha256,
      clock,
      stream,
      messages: new MessageStream(stream),
      count: newCount(),
      tell: () => {},
      manifest: sources.manifest,
      open: sources.openFile,
      signal: new AbortController().signal,
    }).catch((error: Error) => error);
    await write(receiver, bytes);
    const error = await clock.until<unknown>(sent);
    assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
    assert.equal(sources.open, 0);
  }
});
