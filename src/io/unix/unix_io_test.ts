import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { listenUnix } from "../../../ffi/linux/unix_socket.ts";
import { test } from "../../../tests/check.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { pauseBy } from "../../../tests/suite/real_nets.ts";
import type { StreamNet, StreamTraits } from "../../../tests/suite/stream_net.ts";
import { streamSuite } from "../../../tests/suite/stream_suite.ts";
import { dial } from "../../app/net/dial_events.ts";
import { read, write } from "../../app/loop/stream_io.ts";
import type { Listener } from "../../contract/dial.ts";
import { TtunError } from "../../base/errors.ts";
import { DenoClock } from "../reactor/deno_clock.ts";
import { Reactor } from "../reactor/reactor.ts";
import { bindPath } from "./socket_path.ts";
import { UNIX_TRANSPORT } from "./transport.ts";
import { UnixListener } from "./unix_listener.ts";

const TRAITS: StreamTraits = {
  flood: 64 * 1024 * 1024,
  most: 3_000_000,
  resets: false,
  refusesWhenClosed: true,
  ip: false,
};

const { log } = keptLog(new DenoClock());

/** Unix sockets put nothing there. */
const opened = new AsyncDisposableStack();

function dialer(path: string, reactor: Reactor) {
  return UNIX_TRANSPORT.dialer!(path, { name: `unix://${path}`, reactor, log, opened });
}

function listen(path: string, reactor: Reactor, signal: AbortSignal) {
  return UNIX_TRANSPORT.listen!(path, { name: `unix://${path}`, reactor, log, signal });
}

/** A listener at no path gets one of its own. */
function unixNet(): StreamNet {
  const libc = openLibc();
  const reactor = new Reactor(libc, "async");
  const folder = Deno.makeTempDirSync();
  let listeners = 0;
  return {
    dialer: {
      start: (to, o, events) =>
        dialer((to as { path: string }).path, reactor)
          .start(undefined, o, events),
    },
    listen: (at, { signal }) => {
      const { path } = at as { path: string };
      const own = path === "" ? `${folder}/${listeners++}` : path;
      return listen(own, reactor, signal);
    },
    at: { path: "" },
    pause: pauseBy(reactor),
    traits: TRAITS,
    async [Symbol.asyncDispose]() {
      await reactor[Symbol.asyncDispose]();
      Deno.removeSync(folder, { recursive: true });
      libc[Symbol.dispose]();
    },
  };
}

streamSuite("unix", TRAITS, test, unixNet);

interface World extends AsyncDisposable {
  readonly path: string;
  /** Leaves a socket's file behind, as a killed process does. */
  leave(path: string): void;
  listen(path?: string, admits?: (uid: number) => boolean): Listener;
  connect(path?: string): ReturnType<typeof dial>;
}

function world(): World {
  const libc = openLibc();
  const reactor = new Reactor(libc, "async");
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/socket`;
  const { signal } = new AbortController();
  return {
    path,
    leave: (at) => void libc.close(listenUnix(libc, at)),
    listen: (at = path, admits) => {
      if (admits === undefined) return listen(at, reactor, signal);
      const bound = bindPath(libc, at);
      return new UnixListener(reactor, { path: at, name: at, bound, log, signal, admits });
    },
    connect: (at = path) => dial(dialer(at, reactor), undefined, { signal }),
    async [Symbol.asyncDispose]() {
      await reactor[Symbol.asyncDispose]();
      Deno.removeSync(folder, { recursive: true });
      libc[Symbol.dispose]();
    },
  };
}

function refuses(kind: string, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TtunError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.message, words);
    return true;
  };
}

test("unix: the socket is its owner's alone from the first moment, and gone at the end", async () => {
  await using w = world();
  const before = Deno.umask(0);
  try {
    const listener = w.listen();
    assert.equal(Deno.umask(), 0);
    assert.equal(Deno.lstatSync(w.path).mode! & 0o7777, 0o600);
    await listener[Symbol.asyncDispose]();
    assert.throws(() => Deno.lstatSync(w.path), Deno.errors.NotFound);
  } finally {
    Deno.umask(before);
  }
});

test("unix: a socket that a killed process left behind is replaced, one in use is not", async () => {
  await using w = world();
  w.leave(w.path);
  assert.ok(Deno.lstatSync(w.path).isSocket);
  await using first = w.listen();
  assert.throws(() => w.listen(), refuses("in_use", /there is a file already/));
  await using stream = await w.connect();
  assert.deepEqual(stream.stats?.(), { protocol: "unix", peerClosed: false });
  assert.equal(stream.peer, `unix://${w.path}`);
  assert.equal(first.acceptNow({ signal: new AbortController().signal })?.peer, stream.peer);
});

test("unix: no other file is removed, neither at the start nor at the end", async () => {
  await using w = world();
  const folder = w.path.slice(0, -"/socket".length);
  const other = `${folder}/other`;
  Deno.writeTextFileSync(other, "kept");
  Deno.symlinkSync(other, `${folder}/link`);
  w.leave(`${folder}/stale`);
  Deno.symlinkSync(`${folder}/stale`, `${folder}/to-stale`);
  for (const name of ["other", "link", "to-stale"]) {
    assert.throws(
      () => w.listen(`${folder}/${name}`),
      refuses("in_use", /there is a file already/),
    );
  }
  assert.equal(Deno.readTextFileSync(other), "kept");
  assert.ok(Deno.lstatSync(`${folder}/stale`).isSocket);
  // Another one has taken its place meanwhile.
  const listener = w.listen();
  Deno.removeSync(w.path);
  await using second = w.listen();
  await listener[Symbol.asyncDispose]();
  assert.ok(Deno.lstatSync(w.path).isSocket);
  assert.deepEqual(second.addr, { path: w.path });
});

test("unix: the user of the other end is asked for, and may be turned away", async () => {
  await using w = world();
  const users: number[] = [];
  await using listener = w.listen(w.path, (uid) => users.push(uid) > 1);
  await using away = await w.connect();
  await using kept = await w.connect();
  const { signal } = new AbortController();
  await using accepted = listener.acceptNow({ signal });
  assert.equal(listener.acceptNow({ signal }), null);
  assert.deepEqual(users, [Deno.uid(), Deno.uid()]);
  assert.equal(await read(away, new Uint8Array(1)), null);
  await write(kept, new Uint8Array([7]));
  assert.equal(await read(accepted!, new Uint8Array(1)), 1);
});

test("unix: a socket that cannot be reached, or made, is refused with what to do", async () => {
  await using w = world();
  await assert.rejects(w.connect(), refuses("unreachable", /is the server running/));
  w.leave(w.path);
  await assert.rejects(w.connect(), refuses("unreachable", /nobody listens/));
  assert.throws(() => w.listen(`${w.path}-folder/x`), refuses("usage", /make it first/));
  const { length } = w.path;
  assert.throws(() => w.listen(w.path + "x".repeat(108 - length)), RangeError);
});
