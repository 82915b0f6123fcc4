import assert from "node:assert/strict";
import { sha256 } from "../../../tests/fake/sha256.ts";
import type { Entry } from "./entry.ts";
import { IncomingFiles } from "./incoming_files.ts";
import type { Manifest } from "./manifest.ts";
import type { Message } from "./messages.ts";
import { PIECE, pieceCount, piecesThere } from "./pieces.ts";
import { RequestReader } from "./requests.ts";

function entry(size: number, kind: Entry["kind"] = "file"): Entry {
  const modified = { seconds: 0, nanoseconds: 0 };
  return { kind, name: `${kind} ${size}`, mode: 0o644, modified, size };
}

function hashOf(bytes: Uint8Array): Uint8Array {
  const digest = sha256();
  digest.update(bytes);
  return digest.digest();
}

const outOfTurn = { name: "TtunError", kind: "protocol", message: /out of turn/ };
const data = (length: number): Message => ({ kind: "data", bytes: new Uint8Array(length) });
const piece = (length: number): Message => ({
  kind: "piece",
  hash: hashOf(new Uint8Array(length)),
});
const END: Message = { kind: "end", hash: new Uint8Array(32) };

/** A receiver that has asked for one file, of which `pieces` are there. */
function asked(one: Entry, pieces = 0, compares = false): IncomingFiles {
  const files = new IncomingFiles(sha256);
  files.want({ index: 3, entry: one, pieces, compares });
  return files;
}

Deno.test("pieces of a file are whole ones and a rest", () => {
  assert.deepEqual([0, 1, PIECE, PIECE + 1].map(pieceCount), [0, 1, 1, 2]);
  const there = [0, 1, PIECE, PIECE + 4, PIECE + 5, PIECE + 6];
  assert.deepEqual(there.map((bytes) => piecesThere(bytes, PIECE + 5)), [0, 0, 1, 1, 2, 1]);
});

Deno.test("a file comes in pieces, each with its hash", () => {
  const files = asked(entry(PIECE + 5));
  files.wantNoMore();
  assert.equal(files.take({ kind: "begin", index: 3, piece: 0 }).kind, "begin");
  const places: number[] = [];
  const take = (message: Message) => {
    const step = files.take(message);
    if (step.kind === "data") places.push(step.at);
    return step.kind;
  };
  take(data(PIECE - 1));
  take(data(1));
  assert.equal(take(piece(PIECE)), "piece");
  take(data(5));
  assert.equal(take(piece(5)), "piece");
  assert.deepEqual(places, [0, PIECE - 1, PIECE]);
  assert.equal(files.outstanding, 1);
  assert.equal(take(END), "end");
  assert.equal(files.outstanding, 0);
  assert.equal(take({ kind: "done" }), "done");
});

Deno.test("a file goes on at the first piece that differs", () => {
  const files = asked(entry(3 * PIECE), 2);
  assert.throws(() => files.take({ kind: "begin", index: 3, piece: 3 }), outOfTurn);
  files.take({ kind: "begin", index: 3, piece: 2 });
  const step = files.take(data(10));
  assert.equal(step.kind === "data" && step.at, 2 * PIECE);
});

Deno.test("a file that is there is compared, and nothing of it comes", () => {
  for (const [first, isSame] of [[2, true], [1, false]] as const) {
    const files = asked(entry(PIECE + 1), 2, true);
    const step = files.take({ kind: "begin", index: 3, piece: first });
    assert.equal(step.kind === "compared" && step.isSame, isSame);
    assert.throws(() => files.take(data(1)), outOfTurn);
  }
});

Deno.test("bytes beyond a piece or a file, wrong hashes and messages out of turn are refused", () => {
  const begun = (size: number, kind?: Entry["kind"]) => {
    const files = asked(entry(size, kind));
    files.take({ kind: "begin", index: 3, piece: 0 });
    return files;
  };
  const more = { kind: "protocol", message: /more bytes than announced/ };
  assert.throws(() => begun(5).take(data(6)), more);
  assert.throws(() => begun(0).take(data(1)), more);
  assert.throws(() => begun(2 * PIECE).take(data(PIECE + 1)), more);
  const full = begun(5);
  full.take(data(5));
  assert.throws(() => full.take(data(1)), more);
  assert.throws(() => full.take(END), outOfTurn);
  assert.throws(() => full.take(piece(4)), { message: /not what the sender has read/ });
  const part = begun(5);
  part.take(data(4));
  assert.throws(() => part.take(piece(4)), outOfTurn);
  assert.throws(() => part.take(END), outOfTurn);
  assert.throws(() => begun(5).take(END), outOfTurn);
  assert.throws(() => begun(5).take(piece(0)), outOfTurn);
  assert.throws(() => begun(5).take({ kind: "begin", index: 3, piece: 0 }), outOfTurn);
  assert.throws(() => begun(5).take({ kind: "done" }), outOfTurn);
  assert.throws(() => asked(entry(5)).take({ kind: "begin", index: 2, piece: 0 }), outOfTurn);
  assert.throws(() => asked(entry(5)).take({ kind: "failed", index: 4, failure: 0 }), outOfTurn);
  const all = asked(entry(5));
  all.take({ kind: "failed", index: 3, failure: 0 });
  assert.throws(() => all.take({ kind: "done" }), outOfTurn); // more will be asked for
  assert.throws(() => all.take({ kind: "accept" }), outOfTurn);
});

Deno.test("a stream has pieces too, and its last one ends it", () => {
  const files = asked(entry(0, "stream"));
  files.take({ kind: "begin", index: 3, piece: 0 });
  files.take(data(PIECE));
  assert.throws(() => files.take(data(1)), { message: /more bytes/ });
  files.take(piece(PIECE));
  files.take(data(7));
  files.take(piece(7));
  assert.throws(() => files.take(data(1)), outOfTurn);
  assert.equal(files.take(END).kind, "end");
});

const MANIFEST: Manifest = {
  entries: [entry(0, "folder"), entry(5), entry(PIECE + 1), entry(0, "folder"), entry(0)],
  bytes: PIECE + 6,
  files: 3,
};

const want = (index: number, pieces = 0, compares = false): Message => ({
  kind: "want",
  index,
  pieces,
  compares,
});

Deno.test("a sender takes requests in the order of the announcement, each file once", () => {
  const requests = new RequestReader(MANIFEST);
  requests.request(want(1));
  requests.request(want(2, 2, true));
  assert.equal(requests.hashesLeft, 2);
  assert.throws(() => requests.request(want(4)), outOfTurn);
  const hashes = new Uint8Array(32);
  requests.hashes({ kind: "hashes", hashes });
  requests.hashes({ kind: "hashes", hashes });
  assert.throws(() => requests.hashes({ kind: "hashes", hashes }), outOfTurn);
  assert.equal(requests.isDone, false);
  requests.request({ kind: "skip", index: 4 });
  assert.equal(requests.isDone, true);
  assert.throws(() => requests.request(want(4)), outOfTurn);
});

Deno.test("requests out of turn, and of more pieces than there are, are refused", () => {
  for (
    const message of [
      want(0),
      want(2),
      want(5),
      want(1, 2),
      want(1, 0, true),
      { kind: "skip", index: 2 } as const,
      { kind: "accept" } as const,
      { kind: "hashes", hashes: new Uint8Array(32) } as const,
    ]
  ) {
    assert.throws(() => new RequestReader(MANIFEST).request(message), outOfTurn);
  }
  const stream = { entries: [entry(0, "stream")], bytes: 0, files: 1 };
  assert.throws(() => new RequestReader(stream).request(want(0, 0, true)), outOfTurn);
});
