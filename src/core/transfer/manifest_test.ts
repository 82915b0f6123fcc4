import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { Reader } from "../../base/varint.ts";
import { type Entry, packEntry, readEntry } from "./entry.ts";
import { ManifestBuilder, ManifestReader, MOST_ENTRIES, packManifest } from "./manifest.ts";
import { type Message, MessageBuffer } from "./messages.ts";

function file(name: string, size = 0): Entry {
  return { kind: "file", name, mode: 0o644, modified: { seconds: 0, nanoseconds: 0 }, size };
}

const folder = (name: string): Entry => ({ ...file(name), kind: "folder", mode: 0o755 });

function build(...entries: Entry[]) {
  const builder = new ManifestBuilder();
  for (const entry of entries) builder.add(entry);
  return builder.build();
}

function messagesOf(bytes: Iterable<Uint8Array>): Message[] {
  const buffer = new MessageBuffer();
  return [...bytes].map((one) => {
    buffer.room().set(one);
    buffer.filled(one.length);
    return structuredClone(buffer.next()!);
  });
}

function read(messages: readonly Message[]) {
  const reader = new ManifestReader();
  let manifest = null;
  for (const message of messages) {
    assert.equal(manifest, null, "nothing comes behind the last one");
    manifest = reader.take(message);
  }
  return manifest;
}

Deno.test("an entry is on the wire as the page says, and is read again", () => {
  const entry: Entry = {
    kind: "file",
    name: "a/b",
    mode: 0o640,
    modified: { seconds: 1_790_000_000, nanoseconds: 5 },
    size: 70_000,
  };
  const hex = "00 01a0 c0000000d5627700 05 80011170 03 612f62".replaceAll(" ", "");
  assert.equal(toHex(packEntry(entry)), hex);
  for (const seconds of [0, -1, 1, -5_000_000_000]) {
    const one = { ...entry, modified: { seconds, nanoseconds: 999_999_999 } };
    assert.deepEqual(readEntry(new Reader(packEntry(one))), one);
  }
  for (const seconds of [2 ** 63, -(2 ** 63), 2 ** 52]) {
    const far = { ...entry, modified: { seconds, nanoseconds: 0 } };
    const { modified } = readEntry(new Reader(packEntry(far)));
    assert.equal(modified.seconds, Math.sign(seconds) * 2 ** 51, "the farthest there is");
  }
  const without = readEntry(new Reader(packEntry({ ...entry, mode: 0o7777 })));
  assert.equal(without.mode, 0o777, "setuid, setgid and the sticky bit are not carried");
});

Deno.test("a flipped bit of an entry is another entry, or refused", () => {
  const entry = file("some name", 70_000);
  const bytes = packEntry(entry);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const other = bytes.slice();
    other[bit >> 3]! ^= 1 << (bit & 7);
    try {
      assert.notDeepEqual(readEntry(new Reader(other)), entry);
    } catch (error) {
      assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
    }
  }
  assert.throws(
    () => readEntry(new Reader(fromHex("00 0800 00 00 00 01 61".replaceAll(" ", "")))),
    {
      message: /other bits than permissions/,
    },
  );
});

Deno.test("an announcement of many entries is read as it was", () => {
  const entries = [folder("d"), ...Array.from({ length: 5000 }, (_, i) => file(`d/file ${i}`, i))];
  const manifest = build(...entries);
  assert.equal(manifest.files, 5000);
  const messages = messagesOf(packManifest(manifest));
  assert.ok(messages.length >= 3);
  assert.deepEqual(read(messages), manifest);
});

Deno.test("entries that cannot be together are refused with the name", () => {
  const refused = (message: RegExp, ...entries: Entry[]) =>
    assert.throws(() => build(...entries), { kind: "usage", message });
  refused(/\.\.\/a: its name is refused, as it has the part \.\./, file("../a"));
  refused(/b: .*another name is the same, or/, file("B"), file("b"));
  refused(/another name is the same, or/, file("a"), file("a"));
  refused(/another name is the same, or/, folder("D"), folder("d"));
  refused(/d\/a: its folder is missing/, file("d/a"));
  refused(/d\/a: its folder is missing/, file("d"), file("d/a"));
  refused(/d\/a: its folder is missing/, folder("D"), file("d/a"));
  const stream: Entry = { ...file("stdin"), kind: "stream" };
  refused(/sent alone/, file("a"), stream);
  refused(/sent alone/, stream, file("a"));
  refused(/too large/, file("a", Number.MAX_SAFE_INTEGER), file("b", 1));
  refused(/a\\u\{1b\}/, file("a\x1b"));
});

Deno.test("there are at most a million files", () => {
  const builder = new ManifestBuilder();
  for (let i = 0; i < MOST_ENTRIES; i++) builder.add(file(`${i}`));
  assert.throws(() => builder.add(file("one more")), { kind: "usage", message: /at most 1000000/ });
  assert.throws(() => read([{ kind: "announce", entries: MOST_ENTRIES + 1, bytes: 0 }]), {
    kind: "usage",
  });
});

Deno.test("an announcement is what it said: no more and no fewer files and bytes", () => {
  const body = concat(packEntry(file("a", 5)), packEntry(file("b", 6)));
  const given = (entries: number, bytes: number) =>
    read([{ kind: "announce", entries, bytes }, { kind: "entries", body }]);
  assert.equal(given(2, 11)?.bytes, 11);
  assert.equal(given(3, 11), null);
  const refused = (entries: number, bytes: number, message: RegExp) =>
    assert.throws(() => given(entries, bytes), { kind: "protocol", message });
  refused(1, 11, /more files/);
  refused(2, 10, /more bytes/);
  refused(2, 12, /fewer bytes/);
  refused(0, 0, /no files/);
  assert.throws(() => read([{ kind: "entries", body }]), { message: /begins with something else/ });
  const announce: Message = { kind: "announce", entries: 1, bytes: 0 };
  assert.throws(() => read([announce, announce]), { message: /before its end/ });
  const empty: Message = { kind: "entries", body: new Uint8Array() };
  assert.throws(() => read([announce, empty]), { message: /is empty/ });
});

Deno.test("whatever entries hold is refused with words or taken", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
    try {
      read([{ kind: "announce", entries: 2, bytes: 1000 }, { kind: "entries", body }]);
    } catch (error) {
      assert.ok(error instanceof TtunError && error.kind !== "internal", String(error));
    }
  }));
});
