import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { MAIN, runDeno, type Running, startDeno } from "../process_fixture.ts";

const IGNORE = Deno.build.os === "windows"; // there is no such signal

/** A listener on the port of Deno's debugger, in the kernel's words, and its inode. */
const PORT_9229 = /^ *\d+: 0100007F:240D \S+ 0A (?:\S+ +){5}(\d+)/m;

const ENV = { TTUN_KEY: "a key of the debugger's test" };
const PROXY = ["proxy", "client", "-s", "127.0.0.1", "-l", "127.0.0.1:0"];

/** Other programs may have the port. Without root nothing is seen of a process that hides its memory. */
function hasDebugger({ pid }: Running): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const inode = PORT_9229.exec(Deno.readTextFileSync("/proc/net/tcp"))?.[1];
  if (inode === undefined) return false;
  const folder = `/proc/${pid}/fd`;
  return [...Deno.readDirSync(folder)].some(({ name }) => {
    try {
      return Deno.readLinkSync(`${folder}/${name}`) === `socket:[${inode}]`;
    } catch {
      return false; // closed since
    }
  });
}

/** Signals every few milliseconds, by both, past the moment in which Deno begins to listen to them. */
async function signalOften(running: Running): Promise<void> {
  for (let i = 0; i < 60; i++) {
    running.kill("SIGUSR1");
    running.kill("SIGUSR2");
    assert(!hasDebugger(running), "the debugger is open");
    await new Promise((wake) => setTimeout(wake, 25));
  }
}

test({
  name: "SIGUSR1 and SIGUSR2 open no debugger and end nothing: they ask for a line of counters",
  ignore: IGNORE,
  fn: async () => {
    await using running = startDeno(["run", "-A", MAIN, ...PROXY], { env: ENV });
    await running.prints("listening");
    running.kill("SIGUSR2");
    await running.prints("status  connections=0 served=0 pending=");
    const before = running.output.match(/status/g)!.length;
    await signalOften(running);
    running.kill("SIGINT");
    const { code, stderr } = await running.ended;
    assert.equal(code, 0);
    const lines = stderr.match(/status/g)!.length - before;
    assert.ok(lines > 0, stderr);
    assert.ok(lines < 30, "whoever sends signals fills the log");
    assert.doesNotMatch(stderr, /debugger|inspector/i);
    assert.doesNotMatch(stderr, /taken back/, "the runtime takes the signal again");
  },
});

test({
  name: "without native calls SIGUSR1 opens no debugger either",
  ignore: IGNORE,
  fn: async () => {
    const allowed = ["--allow-net", "--allow-read", "--allow-env=TTUN_KEY"];
    await using running = startDeno(["run", "--no-prompt", ...allowed, MAIN, ...PROXY], {
      env: ENV,
    });
    await running.prints("listening");
    for (let i = 0; i < 60; i++) {
      running.kill("SIGUSR1");
      await new Promise((wake) => setTimeout(wake, 25));
    }
    await running.prints("status");
    running.kill("SIGINT");
    const { code, stderr } = await running.ended;
    assert.equal(code, 0);
    assert.doesNotMatch(stderr, /Debugger listening/);
  },
});

test("ttun does not start with a debugger that the command line or the environment opens", async () => {
  const { TTUN_KEY } = ENV;
  const at = "--inspect=127.0.0.1:0";
  const found = await Promise.all([
    runDeno(["run", "-A", at, MAIN, ...PROXY], { env: { TTUN_KEY } }),
    runDeno(["run", "-A", MAIN, ...PROXY], { env: { TTUN_KEY, NODE_OPTIONS: at } }),
  ]);
  for (const { code, stderr } of found) {
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^ttun: Cannot start: a debugger is open.*NODE_OPTIONS$/m);
    assert.doesNotMatch(stderr, /listening {2}address/);
  }
});
