import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Addr } from "../../src/base/addr.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { isLost, isOver } from "./stream_cases.ts";
import { connect, later, readAll, readExactly, type StreamCase } from "./stream_net.ts";
import { accept, read, write } from "../../src/app/loop/stream_io.ts";
import { dial } from "../../src/app/net/dial_events.ts";

/** Milliseconds for an answer where none comes. */
const SILENT_MS = 1000;

const reason = new Error("asked to stop");
const isReason = (error: unknown) => error === reason;

/** Dialling, accepting, and how a signal ends what lives under it. */
export const abortCases: readonly StreamCase[] = [
  {
    name: "an abort ends a pending read and all later calls with its reason",
    async run(net) {
      await using pair = await connect(net);
      const pending = rejects(later(() => read(pair.here, new Uint8Array(1))), isReason);
      await net.pause(10);
      pair.hereStop.abort(reason);
      await pending;
      await isOver(pair.here, isReason);
      await pair.here[Symbol.asyncDispose]();
      await isOver(pair.here, isReason);
    },
  },
  {
    name: "an abort ends a pending write with its reason",
    async run(net) {
      await using pair = await connect(net);
      const flood = new Uint8Array(net.traits.flood);
      const pending = rejects(later(() => write(pair.there, flood)), isReason);
      await net.pause(10);
      pair.thereStop.abort(reason);
      await pending;
      await isOver(pair.there, isReason);
    },
  },
  {
    name: "an abort closes the connection: the peer sees its end, or a loss where ends are said",
    async run(net) {
      await using pair = await connect(net);
      pair.hereStop.abort(reason);
      const reading = readAll(pair.there);
      if (net.traits.saysEnd === true) await rejects(reading, { kind: "lost" });
      else deepEqual(await reading, new Uint8Array());
    },
  },
  {
    name: "an abort ends a pending accept with its reason, and the listener lives on",
    async run(net) {
      const { signal } = new AbortController();
      await using listener = net.listen(net.at, { signal });
      const stop = new AbortController();
      const pending = rejects(later(() => accept(listener, { signal: stop.signal })), isReason);
      await net.pause(10);
      stop.abort(reason);
      await pending;
      await rejects(later(() => accept(listener, { signal: stop.signal })), isReason);
      const accepting = later(() => accept(listener, { signal }));
      const dialling = dial(net.dialer, listener.addr, { signal });
      const [there, here] = await Promise.all([accepting, dialling]);
      await using opened = new AsyncDisposableStack();
      opened.use(there);
      opened.use(here);
      await write(here, utf8("x"));
      deepEqual(await readExactly(there, 1), utf8("x"));
    },
  },
  {
    name: "a connection that comes after an abandoned accept is not lost",
    async run(net) {
      const { signal } = new AbortController();
      await using listener = net.listen(net.at, { signal });
      const stop = new AbortController();
      const pending = rejects(later(() => accept(listener, { signal: stop.signal })), isReason);
      await net.pause(10);
      stop.abort(reason);
      await pending;
      await using here = await dial(net.dialer, listener.addr, { signal });
      await net.pause(10);
      await using there = await accept(listener, { signal });
      await write(here, utf8("x"));
      deepEqual(await readExactly(there, 1), utf8("x"));
    },
  },
  {
    name: "an abort of the listener's signal ends a pending accept with its reason",
    async run(net) {
      const stop = new AbortController();
      await using listener = net.listen(net.at, { signal: stop.signal });
      const { signal } = new AbortController();
      const pending = rejects(later(() => accept(listener, { signal })), isReason);
      await net.pause(10);
      stop.abort(reason);
      await pending;
      await rejects(later(() => accept(listener, { signal })), isReason);
      await refuses(net, listener.addr);
    },
  },
  {
    name: "a closed listener is over: pending and later accepts say so, nobody gets in",
    async run(net) {
      const { signal } = new AbortController();
      const listener = net.listen(net.at, { signal });
      const pending = rejects(later(() => accept(listener, { signal })), isLost);
      await net.pause(10);
      await listener[Symbol.asyncDispose]();
      await pending;
      await rejects(later(() => accept(listener, { signal })), isLost);
      await listener[Symbol.asyncDispose]();
      await refuses(net, listener.addr);
    },
  },
  {
    name: "a connection that nobody took ends with the listener",
    async run(net) {
      const { signal } = new AbortController();
      const listener = net.listen(net.at, { signal });
      const stop = new AbortController();
      const pending = rejects(later(() => accept(listener, { signal: stop.signal })), isReason);
      await net.pause(10);
      stop.abort(reason);
      await pending;
      await using here = await dial(net.dialer, listener.addr, { signal });
      const reading = later(() => read(here, new Uint8Array(1)));
      await net.pause(10);
      await listener[Symbol.asyncDispose]();
      try {
        equal(await reading, null);
      } catch (error) {
        ok(isLost(error), String(error)); // a kernel resets what was in its queue
      }
    },
  },
  {
    name: "a dial can be given up on its own, and not any more once it is there",
    async run(net) {
      const { signal } = new AbortController();
      await using listener = net.listen(net.at, { signal });
      const given = new AbortController();
      const dialling = dial(net.dialer, listener.addr, { signal, cancel: given.signal });
      given.abort(reason);
      await rejects(dialling, isReason);
      await rejects(dial(net.dialer, listener.addr, { signal, cancel: given.signal }), isReason);
      // Those two may still wait to be accepted: another listener has nothing but what follows.
      await using second = net.listen(net.at, { signal });
      const late = new AbortController();
      const [here, there] = await Promise.all([
        dial(net.dialer, second.addr, { signal, cancel: late.signal }),
        later(() => accept(second, { signal })),
      ]);
      await using opened = new AsyncDisposableStack();
      opened.use(here);
      opened.use(there);
      late.abort(reason);
      await write(here, utf8("x"));
      deepEqual(await readExactly(there, 1), utf8("x"));
    },
  },
  {
    name: "an abort ends a pending dial with its reason",
    async run(net) {
      await using listener = net.listen(net.at, { signal: new AbortController().signal });
      const stop = new AbortController();
      const dialling = dial(net.dialer, listener.addr, { signal: stop.signal });
      stop.abort(reason);
      await rejects(dialling, isReason);
    },
  },
  {
    name: "under a signal that has aborted nothing is opened",
    async run(net) {
      const signal = AbortSignal.abort(reason);
      await using listener = net.listen(net.at, { signal: new AbortController().signal });
      await rejects(dial(net.dialer, listener.addr, { signal }), isReason);
      await rejects(later(() => accept(listener, { signal })), isReason);
      await rejects(later(() => net.listen(net.at, { signal })), isReason);
    },
  },
  {
    name: "where nobody listens, the other end is unreachable",
    async run(net) {
      const { signal } = new AbortController();
      const listener = net.listen(net.at, { signal });
      await listener[Symbol.asyncDispose]();
      await refuses(net, listener.addr);
    },
  },
  {
    name: "a port that is taken is in use, and free after the close",
    async run(net) {
      const { signal } = new AbortController();
      const first = net.listen(net.at, { signal });
      const at = first.addr;
      const isInUse = (error: unknown) => error instanceof TtunError && error.kind === "in_use";
      await rejects(later(() => net.listen(at, { signal })), isInUse);
      await first[Symbol.asyncDispose]();
      await net.pause(10);
      await using again = net.listen(at, { signal });
      deepEqual(again.addr, at);
    },
  },
  {
    name: "both ends know both addresses",
    async run(net) {
      await using pair = await connect(net);
      deepEqual(pair.here.remote, pair.listener.addr);
      deepEqual(pair.there.local, pair.listener.addr);
      deepEqual(pair.there.remote, pair.here.local);
      ok("path" in pair.listener.addr || pair.listener.addr.port > 0);
    },
  },
  {
    name: "a hundred connections at once each get their own bytes",
    async run(net) {
      const { signal } = new AbortController();
      await using opened = new AsyncDisposableStack();
      const listener = opened.use(net.listen(net.at, { signal }));
      const serving = (async () => {
        for (let i = 0; i < 100; i++) {
          const stream = opened.use(await accept(listener, { signal }));
          echo(stream);
        }
      })();
      const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
        const stream = opened.use(await dial(net.dialer, listener.addr, { signal }));
        await write(stream, utf8(`number ${i}`));
        await stream.closeWrite();
        return new TextDecoder().decode(await readAll(stream));
      }));
      await serving;
      deepEqual(answers, Array.from({ length: 100 }, (_, i) => `number ${i}`));
    },
  },
  {
    name: "connections that came before the first accept wait for it",
    async run(net) {
      const { signal } = new AbortController();
      await using opened = new AsyncDisposableStack();
      const listener = opened.use(net.listen(net.at, { signal }));
      const dialled = await Promise.all(
        Array.from({ length: 5 }, () => dial(net.dialer, listener.addr, { signal })),
      );
      for (const stream of dialled) opened.use(stream);
      const accepted: unknown[] = [];
      for (let i = 0; i < 5; i++) {
        accepted.push(opened.use(await accept(listener, { signal })).remote);
      }
      const byPort = (a: unknown, b: unknown) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
      deepEqual(accepted.sort(byPort), dialled.map(({ local }) => local).sort(byPort));
    },
  },
];

async function echo(stream: Parameters<typeof readAll>[0]): Promise<void> {
  await write(stream, await readAll(stream));
  await stream.closeWrite();
}

async function refuses(
  net: Parameters<StreamCase["run"]>[0],
  at: Addr,
): Promise<void> {
  const { signal } = new AbortController();
  const isSilent = net.traits.saysRefused === false;
  const o = { signal, ...(isSilent && { timeoutMs: SILENT_MS }) };
  await rejects(dial(net.dialer, at, o), (error) => {
    ok(error instanceof TtunError, String(error));
    equal(error.kind, isSilent ? "timeout" : "unreachable");
    ok(error.message.includes("path" in at ? at.path : String(at.port)), error.message);
    return true;
  });
}
