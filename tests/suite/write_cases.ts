import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { readable, writable, write } from "../../src/app/loop/stream_io.ts";
import { concat, utf8 } from "../../src/base/bytes.ts";
import type { Stream } from "../../src/contract/stream.ts";
import { connect, readAll, readExactly, type StreamCase } from "./stream_net.ts";

/** Writing without waiting: `writeNow` takes what it can, and `onWritable` says when to go on. */
export const writeCases: readonly StreamCase[] = [
  {
    name: "writeNow takes bytes at once while nothing waits",
    async run(net) {
      await using pair = await connect(net);
      equal(pair.here.writeNow(utf8("now")), 3);
      deepEqual(await readExactly(pair.there, 3), utf8("now"));
    },
  },
  {
    name:
      "what writeNow takes is bounded, the rest goes when onWritable calls, and nothing is lost",
    async run(net) {
      await using pair = await connect(net);
      const part = Uint8Array.from({ length: 50_000 }, (_, i) => i % 251);
      const lent = part.slice();
      let sent = 0;
      for (let done = part.length; done === part.length; sent += done) {
        ok(sent < net.traits.flood, "it takes whatever comes");
        done = pair.here.writeNow(lent);
        lent.fill(0); // it was only lent
        lent.set(part);
        if (done === part.length) await net.pause(0);
      }
      let isCalled = false;
      const called = new Promise<void>((resolve) => {
        pair.here.onWritable(() => {
          isCalled = true;
          resolve();
        });
      });
      equal(isCalled, false);
      const rest = part.subarray(sent % part.length);
      const sending = async () => {
        await called;
        await write(pair.here, rest);
        await pair.here.closeWrite();
      };
      const [got] = await Promise.all([readAll(pair.there), sending()]);
      equal(got.length, sent + rest.length);
      ok(got.every((byte, i) => byte === part[i % part.length]));
    },
  },
  {
    name: "FIN comes behind what writeNow has taken",
    async run(net) {
      await using pair = await connect(net);
      const [reading, sent] = [readAll(pair.there), [] as Uint8Array[]];
      for (let i = 0; i < 20; i++) {
        const bytes = new Uint8Array(10_000).fill(i);
        const done = pair.here.writeNow(bytes);
        sent.push(bytes.subarray(0, done));
        if (done < bytes.length) break;
      }
      await pair.here.closeWrite();
      deepEqual(await reading, concat(...sent));
    },
  },
  {
    name: "an abort calls back a writer that waits, and writeNow throws its reason",
    async run(net) {
      await using pair = await connect(net);
      await fill(pair.here, net.traits.flood);
      const reason = new Error("asked to stop");
      const called = writable(pair.here);
      pair.hereStop.abort(reason);
      await called;
      throws(() => pair.here.writeNow(utf8("x")), (error) => error === reason);
      throws(() => pair.here.onWritable(() => {}), (error) => error === reason);
    },
  },
  {
    name: "a callback for reading or writing replaces an earlier one",
    async run(net) {
      await using pair = await connect(net);
      const calls: string[] = [];
      equal(pair.there.readNow(new Uint8Array(1)), undefined);
      pair.there.onReadable(() => void calls.push("earlier reader"));
      const read = readable(pair.there);
      await fill(pair.here, net.traits.flood);
      pair.here.onWritable(() => void calls.push("earlier writer"));
      const written = writable(pair.here);
      await read;
      pair.here.reset();
      await written;
      await net.pause(5);
      deepEqual(calls, []);
    },
  },
];

/** Writes until nothing more is taken. */
async function fill(to: Stream, flood: number): Promise<void> {
  const bytes = new Uint8Array(100_000);
  for (let sent = 0, idle = 0; idle < 3;) {
    const done = to.writeNow(bytes);
    sent += done;
    ok(sent < flood, "it takes whatever comes");
    idle = done === 0 ? idle + 1 : 0;
    if (done < bytes.length) await new Promise((resolve) => queueMicrotask(() => resolve(null)));
  }
}
