import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { readAll } from "../../../tests/fake/read_all.ts";
import { read, write } from "../../app/loop/stream_io.ts";
import { utf8 } from "../../base/bytes.ts";
import { type DenoStdioEnds, DenoStdioStream } from "./deno_stdio.ts";

/** Gives these pieces and then its end, a turn later each; keeps what is written, a few at a time. */
class Ends implements DenoStdioEnds {
  readonly written: number[] = [];
  failure: Error | null = null;
  readonly #pieces: Uint8Array[];

  constructor(...pieces: string[]) {
    this.#pieces = pieces.map(utf8);
  }

  readonly input = {
    read: async (into: Uint8Array): Promise<number | null> => {
      await null;
      const piece = this.#pieces.shift();
      if (piece === undefined) return null;
      into.set(piece);
      return piece.length;
    },
  };

  readonly output = {
    write: async (bytes: Uint8Array): Promise<number> => {
      await null;
      if (this.failure !== null) throw this.failure;
      const part = bytes.subarray(0, 3);
      this.written.push(...part);
      return part.length;
    },
  };
}

const text = (bytes: Iterable<number>) => new TextDecoder().decode(Uint8Array.from(bytes));

test("Deno's standard input and output: bytes, their end, and all is written before the end", async () => {
  const ends = new Ends("first ", "second");
  await using stdio = new DenoStdioStream(new AbortController().signal, ends);
  equal(text(await readAll(stdio)), "first second");
  await write(stdio, utf8("some words"));
  await write(stdio, utf8(" more"));
  await stdio.closeWrite();
  equal(text(ends.written), "some words more");
  throws(() => stdio.writeNow(utf8("x")), { kind: "lost" });
});

test("Deno's standard output: whoever has closed it is told so", async () => {
  const ends = new Ends();
  ends.failure = new Deno.errors.BrokenPipe("gone");
  await using stdio = new DenoStdioStream(new AbortController().signal, ends);
  equal(stdio.writeNow(utf8("x")), 1);
  await rejects(async () => await stdio.closeWrite(), { kind: "lost" });
});

test("Deno's standard input: an abort ends a read that waits", async () => {
  const stop = new AbortController();
  const never = { read: () => new Promise<null>(() => {}) };
  await using stdio = new DenoStdioStream(stop.signal, { ...new Ends(), input: never });
  const reading = (async () => await read(stdio, new Uint8Array(1)))();
  const reason = new Error("stop");
  stop.abort(reason);
  await rejects(reading, (error) => error === reason);
  deepEqual(stdio.peer, "stdio");
});
