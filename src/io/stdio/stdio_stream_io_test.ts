import assert from "node:assert/strict";
import { readAll } from "../../../tests/fake/read_all.ts";
import { test } from "../../../tests/check.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { LINUX_LIBC, openLibrary } from "../../../ffi/library.ts";
import { Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { LIBC_TABLE } from "../../../ffi/linux/libc_table.ts";
import { openSocketPair } from "../../../ffi/linux/socket.ts";
import { check } from "../../../ffi/native.ts";
import { utf8 } from "../../base/bytes.ts";
import { read, readable, write } from "../../app/loop/stream_io.ts";
import { Reactor } from "../reactor/reactor.ts";
import { StdioStream } from "./stdio_stream.ts";

/** Constants of fcntl.h. */
const O_WRONLY = 1;
const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;
const O_APPEND = 0o2000;
const F_NONBLOCK = 0o4000;

const ONE = new Uint8Array(1);
const lost = { name: "TtunError", kind: "lost" };

/** A libc that may not reopen descriptors. */
class OthersLibc extends Libc {
  override open(path: string, flags: number): number {
    return path.startsWith("/proc/self/fd/") ? -Errno.EACCES : super.open(path, flags);
  }
}

/** A folder, a reactor, and descriptors as a shell gives them: blocking, and shared with others. */
class World implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync();
  readonly libc: Libc;
  readonly reactor: Reactor;
  readonly stop = new AbortController();
  readonly #fds: number[] = [];

  /** `mayReopen`: false = descriptors belong to another user. */
  constructor({ mayReopen = true } = {}) {
    this.libc = mayReopen ? openLibc() : new OthersLibc(openLibrary(LINUX_LIBC, LIBC_TABLE));
    this.reactor = new Reactor(this.libc, "async");
  }

  open(path: string, flags: number): number {
    return this.#note(check("open", this.libc.open(path, flags | O_CLOEXEC)));
  }

  #note(fd: number): number {
    this.#fds.push(fd);
    return fd;
  }

  /** Both ends of a pipe: what is written to the second is read from the first. */
  pipe(): [number, number] {
    const path = `${this.folder}/pipe${this.#fds.length}`;
    const { success } = new Deno.Command("mkfifo", { args: [path] }).outputSync();
    assert.ok(success);
    const both = check("open", this.libc.open(path, O_RDWR | O_CLOEXEC));
    const ends: [number, number] = [this.open(path, 0), this.open(path, O_WRONLY)];
    this.libc.close(both);
    return ends;
  }

  socketPair(): [number, number] {
    const [a, b] = openSocketPair(this.libc, "stream");
    return [this.#note(a), this.#note(b)];
  }

  stdio(input: number, output: number): StdioStream {
    return new StdioStream({ reactor: this.reactor, signal: this.stop.signal, input, output });
  }

  close(fd: number): void {
    this.#fds.splice(this.#fds.indexOf(fd), 1);
    this.libc.close(fd);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reactor[Symbol.asyncDispose]();
    for (const fd of this.#fds) this.libc.close(fd);
    this.libc[Symbol.dispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function isBlocking(fd: number): boolean {
  const flags = /^flags:\s*0*([0-7]*)$/m.exec(
    Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`),
  )![1]!;
  return (parseInt(flags || "0", 8) & F_NONBLOCK) === 0;
}

const isNull = (fd: number) => Deno.readLinkSync(`/proc/self/fd/${fd}`) === "/dev/null";

/** Reads to the end without a wait of this thread. */
async function drain(world: World, fd: number): Promise<Uint8Array> {
  await using stream = world.stdio(fd, world.open("/dev/null", O_WRONLY));
  return await readAll(stream);
}

for (const mayReopen of [true, false]) {
  const whose = mayReopen ? "" : " of another user";

  test(`pipes${whose} carry bytes both ways, wait, and end, with their flags as they were`, async () => {
    await using world = new World({ mayReopen });
    const [input, feed] = world.pipe();
    const [result, output] = world.pipe();
    {
      await using stdio = world.stdio(input, output);
      assert.equal(stdio.readNow(ONE), undefined);
      const waiting = readable(stdio);
      world.libc.write(feed, utf8("hello"));
      await waiting;
      const into = new Uint8Array(16);
      assert.equal(stdio.readNow(into), 5);
      assert.equal(stdio.readNow(into), undefined);
      assert.ok(isBlocking(input) && isBlocking(output));

      const data = new Uint8Array(500_000).map((_, i) => i * 7);
      const got = drain(world, result);
      await write(stdio, data);
      stdio.closeWrite();
      assert.ok(isNull(output)); // this process keeps the pipe open no longer
      assert.deepEqual(await got, data);
      assert.throws(() => stdio.writeNow(ONE), lost);

      world.close(feed);
      assert.equal(await read(stdio, into), null);
    }
    assert.ok(isNull(input));
  });

  test(`a full pipe${whose} takes what it can, and the writer waits`, async () => {
    await using world = new World({ mayReopen });
    const [result, output] = world.pipe();
    const stdio = world.stdio(world.open("/dev/null", 0), output);
    const data = new Uint8Array(1_000_000).fill(1);
    const took = stdio.writeNow(data);
    assert.ok(took >= 4096 && took <= 65_536, `${took}`);
    assert.equal(stdio.writeNow(data), 0);
    const room = new Promise<void>((resolve) => stdio.onWritable(resolve));
    world.libc.read(result, new Uint8Array(65_536));
    await room;
    assert.ok(stdio.writeNow(data) > 0);
    world.close(result);
    assert.throws(() => stdio.writeNow(data), lost);
    stdio.reset();
  });
}

test("what others keep open is watched no more after the close", async () => {
  for (const mayReopen of [true, false]) {
    await using world = new World({ mayReopen });
    const [input, feed] = world.pipe();
    for (let i = 0; i < 3; i++) { // each has the numbers of the one before
      const copy = check("dup3", world.libc.dup3(input, world.open("/dev/null", 0), O_CLOEXEC));
      const output = world.open("/dev/null", O_WRONLY);
      const stdio = world.stdio(copy, output);
      const waiting = readable(stdio);
      world.libc.write(feed, ONE);
      await waiting;
      assert.equal(stdio.readNow(ONE), 1);
      await stdio[Symbol.asyncDispose]();
      world.close(copy);
      world.close(output);
    }
  }
});

test("a socket is half-closed, and both descriptors may be the same one", async () => {
  await using world = new World();
  const [fd, other] = world.socketPair();
  const again = check("dup3", world.libc.dup3(fd, world.open("/dev/null", 0), O_CLOEXEC));
  {
    await using stdio = world.stdio(fd, again);
    assert.equal(stdio.readNow(ONE), undefined);
    const waiting = readable(stdio);
    world.libc.write(other, utf8("question"));
    await waiting;
    const into = new Uint8Array(16);
    assert.equal(stdio.readNow(into), 8);
    await write(stdio, utf8("answer"));
    stdio.closeWrite();
    assert.equal(world.libc.read(other, into), 6);
    assert.equal(world.libc.read(other, into), 0); // the end
    world.libc.write(other, utf8("more"));
    assert.equal(await read(stdio, into), 4);
  }
  assert.equal(world.libc.send(other, ONE, 0x4000), -Errno.EPIPE);
});

test("files never wait, and go on where they were", async () => {
  await using world = new World();
  const path = `${world.folder}/file`;
  Deno.writeTextFileSync(path, "first second");
  Deno.writeTextFileSync(`${path}.out`, "before ");
  const input = world.open(path, 0);
  world.libc.read(input, new Uint8Array(6));
  const output = world.open(`${path}.out`, O_WRONLY | O_APPEND);
  await using stdio = world.stdio(input, output);
  assert.deepEqual(await readAll(stdio), utf8("second"));
  await readable(stdio); // the end is always there
  await write(stdio, utf8("after"));
  stdio.closeWrite();
  assert.equal(Deno.readTextFileSync(`${path}.out`), "before after");
});

test("/dev/null is an end, and takes everything", async () => {
  await using world = new World();
  await using stdio = world.stdio(world.open("/dev/null", 0), world.open("/dev/null", O_WRONLY));
  assert.equal(await read(stdio, ONE), null);
  await write(stdio, new Uint8Array(1_000_000));
  stdio.closeWrite();
});

test("the abort of its signal ends waits and calls, of files too", async () => {
  for (const kind of ["pipe", "file"] as const) {
    await using world = new World();
    const [input, feed] = kind === "pipe" ? world.pipe() : [world.open("/dev/null", 0), null];
    const stdio = world.stdio(input, feed ?? world.open("/dev/null", O_WRONLY));
    if (kind === "pipe") assert.equal(stdio.readNow(ONE), undefined);
    const waiting = readable(stdio);
    world.stop.abort(new Error("stop"));
    await waiting;
    assert.throws(() => stdio.readNow(ONE), /stop/);
    assert.throws(() => stdio.writeNow(ONE), /stop/);
    await stdio[Symbol.asyncDispose]();
  }
});

test("a disk that is full is told, and a folder cannot be read", async () => {
  await using world = new World();
  const system = { name: "TtunError", kind: "system" };
  await using stdio = world.stdio(world.open("/", 0), world.open("/dev/full", O_WRONLY));
  assert.throws(() => stdio.readNow(ONE), {
    ...system,
    message: /read standard input: read: EISDIR/,
  });
  assert.throws(() => stdio.writeNow(ONE), { ...system, message: /write: ENOSPC/ });
});

const ECHO = new URL("../../../tests/fixture/stdio_echo.ts", import.meta.url).pathname;

/** Longest time for a line of shell. */
const MOST_MS = 20_000;

function spawn(command: string, args: string[]): Deno.ChildProcess {
  return new Deno.Command(command, {
    args,
    env: { ECHO: `${Deno.execPath()} run -A --no-lock --no-check ${ECHO}`, SHELL: "/bin/sh" },
    signal: AbortSignal.timeout(MOST_MS),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Runs a line of shell, in which `$ECHO` answers with its input. */
async function shell(line: string): Promise<string> {
  const child = spawn("sh", ["-c", line]);
  await child.stdin.close();
  return new TextDecoder().decode((await child.output()).stdout);
}

/** Runs a line of shell on a terminal, at which a person types a line, and the end once it is back. */
async function terminal(line: string): Promise<string> {
  const child = spawn("script", ["-qec", line, "/dev/null"]);
  const typed = child.stdin.getWriter();
  await typed.write(utf8("a line\n"));
  let text = "";
  let hasEnded = false;
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    if (hasEnded || !/a line\s+a line/.test(text)) continue;
    hasEnded = true;
    await typed.write(utf8("\x04"));
  }
  await child.status;
  await typed.close().catch(() => {}); // the terminal may have gone
  return text;
}

const FLAGS = "grep flags: /proc/self/fdinfo/0";

test("a process answers by pipe, file and /dev/null", async () => {
  assert.equal(await shell("(echo one | $ECHO) 2>&1 | cat"), "one\n/dev/null /dev/null\n");
  const same = "$ECHO </etc/passwd 2>/dev/null | cmp - /etc/passwd && echo same";
  assert.equal(await shell(same), "same\n");
  assert.equal(await shell(`$ECHO </dev/null 2>/dev/null; echo $?`), "0\n");
  assert.equal(await shell(`head -c 3000000 /dev/zero | $ECHO 2>/dev/null | wc -c`), "3000000\n");
});

test("the reader of a pipe sees the end while the process lives on", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/read-to-the-end`;
    const line = `(echo one | $ECHO linger ${file} 2>&3 | (cat; touch ${file})) 3>&1`;
    assert.equal(await shell(line), "one\nseen\n/dev/null /dev/null\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("a terminal has its flags after the process, and after its crash", async () => {
  for (const [argument, after] of [["", "/dev/null /dev/null"], ["kill", "Killed"]] as const) {
    const text = await terminal(`$ECHO ${argument}; ${FLAGS}`);
    assert.match(text, /^a line\r\na line\r\n/);
    assert.ok(text.includes(after), text);
    const flags = parseInt(/flags:\s+([0-7]+)/.exec(text)![1]!, 8);
    assert.equal(flags & F_NONBLOCK, 0, text);
  }
});
