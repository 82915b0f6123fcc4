import assert from "node:assert/strict";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { test } from "../../../tests/check.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { readAll } from "../../../tests/suite/stream_net.ts";
import { dial } from "../../app/net/dial_events.ts";
import { read, write } from "../../app/loop/stream_io.ts";
import type { Connection } from "../../contract/connection.ts";
import { Reactor } from "../reactor/reactor.ts";
import { EXEC_TRANSPORT } from "./transport.ts";

interface World extends AsyncDisposable {
  readonly stop: AbortController;
  run(command: string): Promise<Connection>;
  /** The command's lines in the log. */
  says(): string[];
  has(message: RegExp): boolean;
  pause(ms: number): Promise<void>;
}

function world(): World {
  const libc = openLibc();
  const reactor = new Reactor(libc, "async");
  const { log, records } = keptLog(reactor);
  const stop = new AbortController();
  const opened = new AsyncDisposableStack();
  return {
    stop,
    run: (command) => {
      const dialer = EXEC_TRANSPORT.dialer!(command, {
        name: `exec:${command}`,
        reactor,
        log,
        opened,
      });
      return dial(dialer, undefined, { signal: stop.signal });
    },
    says: () => records.flatMap(({ fields: { line } }) => line === undefined ? [] : [`${line}`]),
    has: (message) =>
      records.some(({ message: text, fields }) =>
        message.test(`${text} ${JSON.stringify(fields)}`)
      ),
    pause: (ms) => new Promise((resolve) => void reactor.after(ms, resolve)),
    async [Symbol.asyncDispose]() {
      await reactor[Symbol.asyncDispose]();
      await opened.disposeAsync();
      libc[Symbol.dispose]();
    },
  };
}

async function textOf(stream: Connection): Promise<string> {
  return new TextDecoder().decode(await readAll(stream));
}

/** A line of shell that tells its process, and those that it starts. */
async function pidsOf(stream: Connection, count: number): Promise<number[]> {
  const into = new Uint8Array(1000);
  let text = "";
  while (text.split("\n").length <= count) {
    const got = await read(stream, into);
    assert.ok(got !== null, text);
    text += new TextDecoder().decode(into.subarray(0, got));
  }
  return text.trim().split("\n").map(Number);
}

function lives(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

test("exec: standard input and output of the command are the stream, with its half-close", async () => {
  await using w = world();
  await using stream = await w.run("cat");
  assert.equal(stream.peer, "exec:cat");
  assert.deepEqual(stream.stats(), { protocol: "unix", peerClosed: false });
  assert.deepEqual([stream.local, stream.remote], [{ path: "" }, { path: "" }]);
  const data = new Uint8Array(300_000).map((_, i) => i);
  const reading = readAll(stream);
  await write(stream, data);
  await stream.closeWrite();
  assert.deepEqual(await reading, data);
  assert.equal(stream.stats().peerClosed, true);
});

test("exec: the command has no key, no descriptor of ours, and a session of its own", async () => {
  await using w = world();
  Deno.env.set("TTUN_KEY", "secret");
  Deno.env.set("TTUN_KEY_FILE", "/secret");
  Deno.env.set("TTUN_TEST", "kept");
  try {
    const show =
      'env | grep -E "^TTUN_(KEY|TEST=)"; ls /proc/self/fd; ps -o sid=,pgid=,pid=,tty= -p $$';
    await using stream = await w.run(
      `sh -c '${show}; grep -E "SigBlk|SigIgn|CapAmb" /proc/self/status'`,
    );
    const [variable, ...lines] = (await textOf(stream)).trim().split("\n");
    assert.equal(variable, "TTUN_TEST=kept");
    assert.deepEqual(lines.slice(0, 4), ["0", "1", "2", "3"]); // 3 is the folder that ls reads
    const [sid, pgid, pid, tty] = lines[4]!.trim().split(/\s+/);
    assert.deepEqual([sid, pgid, tty], [pid, pid, "?"]);
    const status = lines.slice(5).join("\n");
    assert.match(status, /SigBlk:\s*0+$/m);
    assert.match(status, /CapAmb:\s*0+$/m);
    const ignored = BigInt(`0x${/SigIgn:\s*([0-9a-f]+)/.exec(status)![1]}`);
    assert.equal(ignored & (1n << 12n), 0n); // SIGPIPE ends it, as anywhere
  } finally {
    for (const name of ["TTUN_KEY", "TTUN_KEY_FILE", "TTUN_TEST"]) Deno.env.delete(name);
  }
});

/** Constants of linux/capability.h and linux/prctl.h. */
const CAPABILITY_VERSION_3 = 0x2008_0522;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2n;

test({
  name: "exec: a capability that ttun was started with is not passed on",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    using libc = openLibc();
    const header = new Uint8Array(new Uint32Array([CAPABILITY_VERSION_3, 0]).buffer);
    const sets = new Uint32Array(6); // effective, permitted, inheritable, twice
    const bytes = new Uint8Array(sets.buffer);
    assert.equal(libc.capget(header, bytes), 0);
    sets[2]! |= 1; // CAP_CHOWN, the one that the call below raises
    assert.equal(libc.capset(header, bytes), 0);
    assert.equal(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE), 0);
    const ambient = () =>
      /CapAmb:\s*(\S+)/.exec(Deno.readTextFileSync("/proc/thread-self/status"))?.[1];
    assert.equal(ambient(), "0000000000000001");
    await using w = world();
    await using stream = await w.run("grep CapAmb /proc/self/status");
    assert.match(await textOf(stream), /CapAmb:\s*0{16}$/m);
    sets[2]! &= ~1;
    assert.equal(libc.capset(header, bytes), 0);
  },
});

test("exec: descriptors that ttun was started with are not passed on", async () => {
  const here = import.meta.dirname;
  const script = `
    import { openLibc } from "${here}/../../../ffi/linux/libc.ts";
    import { shellCommand } from "${here}/../../../ffi/linux/spawn.ts";
    using libc = openLibc();
    using shell = shellCommand(libc, "exec ls /proc/self/fd >&2", { withoutVariables: [] });
    const pid = shell.run({ stdin: 0, stdout: 0, stderr: 2 });
    libc.waitpid(pid, new Uint8Array(4), 0);`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, script);
    const { stderr } = await new Deno.Command("bash", {
      args: [
        "-c",
        'exec "$0" run -A --no-check "$1" 7</dev/null 60</dev/null',
        Deno.execPath(),
        file,
      ],
    }).output();
    assert.equal(new TextDecoder().decode(stderr), "0\n1\n2\n3\n");
  } finally {
    await Deno.remove(file);
  }
});

test("exec: what the command says goes to the log, line by line, also what it said last", async () => {
  await using w = world();
  const stream = await w.run("sh -c 'echo one >&2; printf \"two\\nthree\" >/dev/stderr; exit 7'");
  assert.equal(await textOf(stream), "");
  await stream[Symbol.asyncDispose]();
  assert.deepEqual(w.says(), ["one", "two", "three"]);
  assert.ok(w.has(/command of exec: has ended .*"by itself".*"status":7/));
});

test("exec: a command that is not there says so in the log, and the stream ends", async () => {
  await using w = world();
  await using stream = await w.run("/nowhere/to-be-found");
  assert.equal(await textOf(stream), "");
  await stream[Symbol.asyncDispose]();
  assert.match(w.says().join(), /not found|No such file/);
  assert.ok(w.has(/"status":127/));
});

for (const how of ["close", "reset", "abort"] as const) {
  test(`exec: the process group ends with the stream: ${how}`, async () => {
    await using w = world();
    const stream = await w.run("sh -c 'sleep 100 & echo $$; echo $!; wait'");
    const pids = await pidsOf(stream, 2);
    assert.ok(pids.every(lives));
    const began = performance.now();
    if (how === "abort") w.stop.abort(new Error("stop"));
    if (how === "reset") stream.reset();
    await stream[Symbol.asyncDispose]();
    assert.deepEqual(pids.map(lives), [false, false]);
    assert.ok(performance.now() - began < 1500);
    assert.throws(() => stream.readNow(new Uint8Array(1)));
  });
}

test("exec: one that does not heed is killed, one that cleans up may do so", async () => {
  await using w = world();
  const deaf = await w.run("sh -c 'trap \"\" TERM HUP; echo $$; sleep 100 & echo $!; wait'");
  const pids = await pidsOf(deaf, 2);
  const tidy = await w.run(
    "sh -c '(trap \"sleep 0.2; echo tidy >&2; exit\" TERM; sleep 100 & wait) & wait'",
  );
  await w.pause(100);
  await Promise.all([deaf, tidy].map((stream) => stream[Symbol.asyncDispose]()));
  // On a busy machine the kernel takes away a little later what was killed.
  for (let tries = 0; pids.some(lives) && tries < 100; tries++) await w.pause(50);
  assert.deepEqual(pids.map(lives), [false, false]);
  assert.deepEqual(w.says(), ["tidy"]);
});

test("exec: what goes on in a session of its own keeps no descriptor of ours open", async () => {
  await using w = world();
  const before = [...Deno.readDirSync("/proc/self/fd")].length;
  const stream = await w.run("sh -c 'setsid sh -c \"echo \\$\\$; exec sleep 3\" & wait'");
  const [pid] = await pidsOf(stream, 1);
  await stream[Symbol.asyncDispose]();
  assert.ok(lives(pid!));
  assert.equal([...Deno.readDirSync("/proc/self/fd")].length, before);
  Deno.kill(pid!);
});

test("exec: a signal that has aborted starts nothing", async () => {
  await using w = world();
  w.stop.abort(new Error("stop"));
  await assert.rejects(w.run("cat"), /stop/);
});
