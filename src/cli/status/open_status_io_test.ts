import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { listenUnix } from "../../../ffi/linux/unix_socket.ts";
import { test } from "../../../tests/check.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { TtunError } from "../../base/errors.ts";
import { DenoClock } from "../../io/reactor/deno_clock.ts";
import { Reactor } from "../../io/reactor/reactor.ts";
import { openStatus } from "./open_status.ts";
import { ask } from "./query.ts";

const NAME = "office";

const source = {
  describe: () => ({ server: "s:1" }),
  changeForwards: () => {
    throw new TtunError("usage", "Cannot change forwards: there are none");
  },
};

interface World extends AsyncDisposable {
  /** A folder of the test's own, which is there. */
  readonly root: string;
  readonly stop: AbortController;
  /** Opens the socket in a folder; returns the lines of the log. */
  open(folder: string, o?: { name?: string; isNamed?: boolean }): string[];
  /** Closes all sockets, as at the end of a program. */
  close(): Promise<void>;
  /** Leaves a socket behind, as a killed process does; it was made so many seconds ago. */
  leave(path: string, age?: number): void;
}

function world(): World {
  const libc = openLibc();
  const reactor = new Reactor(libc, "async");
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  const stop = new AbortController();
  let opened = new AsyncDisposableStack();
  const close = async () => {
    await opened.disposeAsync();
    opened = new AsyncDisposableStack();
  };
  return {
    root,
    stop,
    close,
    open: (folder, { name = NAME, isNamed = true } = {}) => {
      const { log, records } = keptLog(new DenoClock());
      const place = { folder, name, isNamed, command: "client", pid: 1 };
      const platform = { reactor, clock: reactor };
      openStatus(place, { platform, log, signal: stop.signal, opened }, source);
      return records.map(({ level, message, fields }) => `${level} ${message} ${fields["why"]}`);
    },
    leave: (path, age = 0) => {
      libc.close(listenUnix(libc, path));
      const made = Date.now() / 1000 - age;
      Deno.utimeSync(path, made, made);
    },
    async [Symbol.asyncDispose]() {
      await close();
      await reactor[Symbol.asyncDispose]();
      Deno.removeSync(root, { recursive: true });
      libc[Symbol.dispose]();
    },
  };
}

const { signal } = new AbortController();

function asked(path: string) {
  return ask(path, { request: "status" }, signal);
}

function modeOf(path: string): number {
  return Deno.lstatSync(path).mode! & 0o7777;
}

test("status: folder and socket are their owner's alone, the socket answers and is gone at the end", async () => {
  await using w = world();
  const before = Deno.umask(0);
  try {
    const folder = `${w.root}/a/ttun`;
    const path = `${folder}/${NAME}.sock`;
    assert.deepEqual(w.open(folder), []);
    assert.deepEqual([modeOf(folder), modeOf(path)], [0o700, 0o600]);
    const report = await asked(path);
    assert.equal(report?.server, "s:1");
    assert.deepEqual([report.name, report.command, report.pid], [NAME, "client", 1]);
    await w.close();
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    assert.equal(await asked(path), null);
  } finally {
    Deno.umask(before);
  }
});

test("status: a socket that was left behind is replaced; one in use, or another file, is not", async () => {
  await using w = world();
  const path = `${w.root}/${NAME}.sock`;
  w.leave(path);
  assert.equal(await asked(path), null);
  assert.deepEqual(w.open(w.root), []);
  assert.match(w.open(w.root).join(), /^info no status socket Cannot listen on .*already/);
  assert.match(w.open(w.root, { isNamed: false }).join(), /^debug no status socket /);
  assert.equal((await asked(path))?.name, NAME);
  const other = `${w.root}/other.sock`;
  Deno.writeTextFileSync(other, "kept");
  assert.match(w.open(w.root, { name: "other" }).join(), /already/);
  assert.equal(Deno.readTextFileSync(other), "kept");
});

test("status: old sockets of ended programs are removed at a start, others stay", async () => {
  await using w = world();
  w.open(w.root, { name: "runs" });
  Deno.utimeSync(`${w.root}/runs.sock`, 1, 1);
  w.leave(`${w.root}/old.sock`, 61);
  w.leave(`${w.root}/new.sock`, 10);
  w.leave(`${w.root}/old.other`, 61);
  Deno.writeTextFileSync(`${w.root}/file.sock`, "");
  Deno.utimeSync(`${w.root}/file.sock`, 1, 1);
  Deno.symlinkSync(`${w.root}/new.sock`, `${w.root}/link.sock`);
  assert.deepEqual(w.open(w.root), []);
  assert.deepEqual(
    Array.from(Deno.readDirSync(w.root), ({ name }) => name).sort(),
    ["file.sock", "link.sock", "new.sock", "office.sock", "old.other", "runs.sock"],
  );
});

test("status: a folder that others may write to, a link or a file is not used", async () => {
  await using w = world();
  const folder = `${w.root}/ttun`;
  Deno.mkdirSync(folder);
  Deno.chmodSync(folder, 0o777);
  assert.match(w.open(folder).join(), /others? .*may write to/);
  Deno.chmodSync(folder, 0o755);
  Deno.symlinkSync(folder, `${w.root}/link`);
  assert.match(w.open(`${w.root}/link`).join(), /it is no folder/);
  Deno.writeTextFileSync(`${w.root}/file`, "");
  assert.match(w.open(`${w.root}/file`).join(), /it is no folder/);
  assert.deepEqual([...Deno.readDirSync(folder)], []);
  assert.deepEqual(w.open(folder), []);
});

test({
  name: "status: a folder of another user is not used, and another user is not answered",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using w = world();
    const folder = `${w.root}/ttun`;
    Deno.mkdirSync(folder);
    Deno.chownSync(folder, 65534, 65534);
    assert.match(w.open(folder).join(), /belongs to user 65534/);
    Deno.chownSync(folder, 0, 0);
    assert.deepEqual(w.open(folder), []);
    // The modes of the files are to let everybody in.
    for (const path of [w.root, folder]) Deno.chmodSync(path, 0o755);
    Deno.chmodSync(`${folder}/${NAME}.sock`, 0o666);
    const request = '{"version":1,"request":"status"}';
    const askedAs = (user: string) =>
      new Deno.Command("setpriv", {
        args: [`--reuid=${user}`, "--clear-groups", "sh", "-c", `echo '${request}' | nc -NU $0`]
          .concat(`${folder}/${NAME}.sock`),
        stderr: "null",
      }).output();
    assert.match(new TextDecoder().decode((await askedAs("0")).stdout), /"name":"office"/);
    assert.equal((await askedAs("65534")).stdout.length, 0);
  },
});

test("status: a path that is too long is told of; a start that was given up leaves nothing", async () => {
  await using w = world();
  assert.match(w.open(`${w.root}/${"x".repeat(120)}`).join(), /too long/);
  w.stop.abort(new Error("over"));
  assert.deepEqual(w.open(`${w.root}/late`), []);
  assert.throws(() => Deno.lstatSync(`${w.root}/late`), Deno.errors.NotFound);
});
