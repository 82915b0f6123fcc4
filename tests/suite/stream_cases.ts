import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { connect, later, readAll, readExactly, type StreamCase } from "./stream_net.ts";
import { read, readable, write } from "../../src/app/loop/stream_io.ts";

/** Contract of every Stream, Dialer and Listener (contract/stream.ts): bytes and their end. */
export const streamCases: readonly StreamCase[] = [
  {
    name: "bytes go both ways",
    async run(net) {
      await using pair = await connect(net);
      await write(pair.here, utf8("there"));
      deepEqual(await readExactly(pair.there, 5), utf8("there"));
      await write(pair.there, utf8("and back"));
      deepEqual(await readExactly(pair.here, 8), utf8("and back"));
    },
  },
  {
    name: "a read that waits gets what comes, no more than there is room for",
    async run(net) {
      await using pair = await connect(net);
      const into = new Uint8Array(3);
      const reading = later(() => read(pair.there, into));
      await net.pause(10);
      await write(pair.here, utf8("abcd"));
      const got = await reading;
      ok(got !== null && got >= 1 && got <= 3);
      const rest = await readExactly(pair.there, 4 - got);
      equal(
        new TextDecoder().decode(into.subarray(0, got)) + new TextDecoder().decode(rest),
        "abcd",
      );
    },
  },
  {
    name: "readNow never waits, and calls back when there is something",
    async run(net) {
      await using pair = await connect(net);
      const into = new Uint8Array(16);
      equal(pair.there.readNow(into), undefined);
      let isCalled = false;
      const called = new Promise<void>((resolve) => {
        pair.there.onReadable(() => {
          isCalled = true;
          resolve();
        });
      });
      equal(isCalled, false);
      await net.pause(10);
      equal(isCalled, false);
      await write(pair.here, utf8("now"));
      await called;
      deepEqual([...into.subarray(0, pair.there.readNow(into)!)], [...utf8("now")]);
      equal(pair.there.readNow(into), undefined);
    },
  },
  {
    name: "readNow with little room leaves the rest for the next read of either kind",
    async run(net) {
      await using pair = await connect(net);
      const into = new Uint8Array(2);
      equal(pair.there.readNow(into), undefined);
      const called = new Promise<void>((resolve) => pair.there.onReadable(resolve));
      await write(pair.here, utf8("abcdefg"));
      await pair.here.closeWrite();
      await called;
      equal(pair.there.readNow(into), 2);
      deepEqual([...into], [...utf8("ab")]);
      equal(await read(pair.there, into), 2);
      deepEqual([...into], [...utf8("cd")]);
      equal(pair.there.readNow(into), 2);
      deepEqual(await readAll(pair.there), utf8("g"));
    },
  },
  {
    name: "a read after a call back that was asked for gets what has come",
    async run(net) {
      await using pair = await connect(net);
      const into = new Uint8Array(8);
      equal(pair.there.readNow(into), undefined);
      pair.there.onReadable(() => {});
      const reading = later(() => read(pair.there, into));
      await net.pause(5);
      await write(pair.here, utf8("x"));
      equal(await reading, 1);
      equal(into[0], 0x78);
    },
  },
  {
    name: "the peer's end calls back too, and readNow says null",
    async run(net) {
      await using pair = await connect(net);
      equal(pair.there.readNow(new Uint8Array(1)), undefined);
      const called = new Promise<void>((resolve) => pair.there.onReadable(resolve));
      await pair.here.closeWrite();
      await called;
      equal(pair.there.readNow(new Uint8Array(1)), null);
      equal(await read(pair.there, new Uint8Array(1)), null);
    },
  },
  {
    name: "an abort calls back too, and readNow throws its reason",
    async run(net) {
      await using pair = await connect(net);
      equal(pair.there.readNow(new Uint8Array(1)), undefined);
      const called = new Promise<void>((resolve) => pair.there.onReadable(resolve));
      const reason = new Error("asked to stop");
      pair.thereStop.abort(reason);
      await called;
      throws(() => pair.there.readNow(new Uint8Array(1)), (error) => error === reason);
      throws(() => pair.there.onReadable(() => {}), (error) => error === reason);
    },
  },
  {
    name: "readable() settles for bytes, for the peer's end, and is over with an abort",
    async run(net) {
      await using pair = await connect(net);
      const one = new Uint8Array(1);
      equal(pair.there.readNow(one), undefined);
      const forByte = readable(pair.there);
      await write(pair.here, new Uint8Array([7]));
      await forByte;
      deepEqual([await read(pair.there, one), one[0]], [1, 7]);
      equal(pair.there.readNow(one), undefined);
      const forEnd = readable(pair.there);
      await pair.here.closeWrite();
      await forEnd;
      equal(pair.there.readNow(one), null);
      equal(pair.here.readNow(one), undefined);
      const forever = readable(pair.here);
      const reason = new Error("asked to stop");
      pair.hereStop.abort(reason);
      await forever.catch((error) => equal(error, reason));
      throws(() => pair.here.readNow(one), (error) => error === reason);
    },
  },
  {
    name: "a write of no bytes changes nothing",
    async run(net) {
      await using pair = await connect(net);
      await write(pair.here, new Uint8Array());
      await write(pair.here, utf8("x"));
      await write(pair.here, new Uint8Array());
      await pair.here.closeWrite();
      deepEqual(await readAll(pair.there), utf8("x"));
    },
  },
  {
    name: "a write that nobody reads waits, and ends when somebody does",
    async run(net) {
      await using pair = await connect(net);
      let settled = false;
      const writing = later(() => write(pair.here, new Uint8Array(net.traits.flood)));
      const marked = writing.finally(() => settled = true);
      await net.pause(50);
      equal(settled, false);
      const into = new Uint8Array(256 * 1024);
      for (let left = net.traits.flood; left > 0;) left -= (await read(pair.there, into))!;
      await marked;
    },
  },
  {
    name: "the end of one direction is null, again and again, and leaves the other open",
    async run(net) {
      await using pair = await connect(net);
      await write(pair.here, utf8("last"));
      await pair.here.closeWrite();
      deepEqual(await readAll(pair.there), utf8("last"));
      equal(await read(pair.there, new Uint8Array(1)), null);
      await write(pair.there, utf8("still"));
      deepEqual(await readExactly(pair.here, 5), utf8("still"));
      await pair.there.closeWrite();
      equal(await read(pair.here, new Uint8Array(1)), null);
      equal(await read(pair.here, new Uint8Array(1)), null);
    },
  },
  {
    name: "the accepted side may end first as well",
    async run(net) {
      await using pair = await connect(net);
      const reading = later(() => read(pair.here, new Uint8Array(1)));
      await pair.there.closeWrite();
      equal(await reading, null);
      await write(pair.here, utf8("still"));
      deepEqual(await readExactly(pair.there, 5), utf8("still"));
    },
  },
  {
    name: "what was written before the close arrives",
    async run(net) {
      await using pair = await connect(net);
      await write(pair.here, utf8("parting words"));
      await pair.here[Symbol.asyncDispose]();
      deepEqual(await readAll(pair.there), utf8("parting words"));
    },
  },
  {
    name: "writing after our own end fails, and reading goes on",
    async run(net) {
      await using pair = await connect(net);
      await pair.here.closeWrite();
      await rejects(later(() => write(pair.here, utf8("x"))), isLost);
      await write(pair.there, utf8("y"));
      deepEqual(await readExactly(pair.here, 1), utf8("y"));
    },
  },
  {
    name: "a peer that has gone makes writing fail and not hang",
    when: ({ refusesWhenClosed }) => refusesWhenClosed,
    async run(net) {
      await using pair = await connect(net);
      await pair.there[Symbol.asyncDispose]();
      await rejects(
        (async () => {
          for (;;) {
            await write(pair.here, new Uint8Array(64 * 1024));
            await net.pause(1);
          }
        })(),
        isLost,
      );
    },
  },
  {
    name: "a reset is a lost connection to the peer that reads",
    when: ({ resets }) => resets,
    async run(net) {
      await using pair = await connect(net);
      const reading = later(() => read(pair.there, new Uint8Array(1)));
      await net.pause(10);
      pair.here.reset();
      await rejects(reading, isLost);
    },
  },
  {
    name: "a reset is a lost connection to the peer that writes",
    when: ({ resets }) => resets,
    async run(net) {
      await using pair = await connect(net);
      const writing = later(() => write(pair.there, new Uint8Array(net.traits.flood)));
      await net.pause(10);
      pair.here.reset();
      await rejects(writing, isLost);
    },
  },
  {
    name: "where reset is an ordinary close, the peer reads the end",
    when: ({ resets }) => !resets,
    async run(net) {
      await using pair = await connect(net);
      pair.here.reset();
      equal(await read(pair.there, new Uint8Array(1)), null);
    },
  },
  {
    name: "a reset stream is over at this end: every call says so",
    async run(net) {
      await using pair = await connect(net);
      const reading = later(() => read(pair.here, new Uint8Array(1)));
      const refused = rejects(reading, isLost);
      pair.here.reset();
      await refused;
      await isOver(pair.here, isLost);
      pair.here.reset();
    },
  },
  {
    name: "a closed stream is over: pending and later calls say so, closing again does nothing",
    async run(net) {
      await using pair = await connect(net);
      const pending = [
        rejects(later(() => read(pair.here, new Uint8Array(1))), isLost),
        rejects(later(() => write(pair.here, new Uint8Array(net.traits.flood))), isLost),
      ];
      await net.pause(10);
      await pair.here[Symbol.asyncDispose]();
      await Promise.all(pending);
      await isOver(pair.here, isLost);
      await pair.here[Symbol.asyncDispose]();
      pair.here.reset();
      equal(pair.here.stats().peerClosed, true);
    },
  },
];

/** A failure that is the connection's. */
export function isLost(error: unknown): boolean {
  return error instanceof TtunError && error.kind === "lost";
}

/** Reading, writing, ending and tuning all fail alike. */
export async function isOver(stream: Connection, why: (error: unknown) => boolean): Promise<void> {
  await rejects(later(() => read(stream, new Uint8Array(1))), why);
  await rejects(later(() => write(stream, utf8("x"))), why);
  await rejects(later(() => stream.closeWrite()), why);
  await rejects(later(() => stream.setOptions({ noDelay: true })), why);
}
