import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { MAIN } from "../process_fixture.ts";

const IGNORE = Deno.build.os === "windows"; // no named pipes of this kind

/** Runs $@ with its standard error (FD 2) or output (FD 1) at a pipe that is full and not read. */
const BY_FULL_PIPE = `
  fd=$1; pipe=$2; shift 2
  mkfifo "$pipe"
  exec 9<>"$pipe"
  head -c 65536 /dev/zero >"$pipe"
  if [ "$fd" = 1 ]; then exec "$@" >"$pipe"; else exec "$@" 2>"$pipe"; fi`;

interface Stuck extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly pipe: string;
}

async function startStuck(fd: 1 | 2, ...args: string[]): Promise<Stuck> {
  const folder = await Deno.makeTempDir();
  const pipe = `${folder}/pipe`;
  const ttun = [Deno.execPath(), "run", "-A", MAIN, ...args];
  const child = new Deno.Command("sh", {
    args: ["-euc", BY_FULL_PIPE, "sh", `${fd}`, pipe, ...ttun],
    env: { TTUN_KEY: "a key for a log that nobody reads" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return {
    child,
    pipe,
    [Symbol.asyncDispose]: async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Until somebody accepts there. */
async function untilListening(port: number): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      using _connection = await Deno.connect({ hostname: "127.0.0.1", port });
      return;
    } catch (error) {
      if (tries === 400) throw error;
      await new Promise((wake) => setTimeout(wake, 25));
    }
  }
}

test({
  name:
    "a log that nobody reads stops neither the work nor the end, and is written when it is read",
  ignore: IGNORE,
  fn: async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const port = freePort();
      await using stuck = await startStuck(
        ...[2, "proxy", "client", "-s", "127.0.0.1", "-l", `127.0.0.1:${port}`] as const,
      );
      await untilListening(port);
      let text = "";
      if (signal === "SIGINT") {
        using reader = await Deno.open(stuck.pipe);
        const bytes = new Uint8Array(65536);
        while (!text.includes("listening")) {
          text += new TextDecoder().decode(bytes.subarray(0, await reader.read(bytes) ?? 0));
        }
        assert.match(text, /^\0{65536}\S+Z info {2}proxy client .*\n.* listening .*\n/);
      }
      stuck.child.kill(signal);
      assert.equal((await stuck.child.status).code, 0);
    }
  },
});

test({
  name: "output that nobody takes can be interrupted",
  ignore: IGNORE,
  fn: async () => {
    await using stuck = await startStuck(1, "man");
    // It waits in a write, or has not begun yet: either way a signal ends it.
    const first = await Promise.race([
      stuck.child.status.then(() => "ended"),
      new Promise<string>((wake) => setTimeout(() => wake("waits"), 700)),
    ]);
    assert.equal(first, "waits");
    stuck.child.kill("SIGTERM");
    await stuck.child.status;
  },
});
