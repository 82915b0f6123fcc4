import { test } from "../../tests/check.ts";
import assert from "node:assert/strict";
import { runDeno, startDeno, startOnTerminal, writeScript } from "./process_fixture.ts";

/** ttun with commands that end in all the ways in which a command can end. */
const SCRIPT = `
import { defineCommand } from "cli/command/command.ts";
import type { RunContext } from "cli/command/context.ts";
import { run } from "cli/run.ts";
import { TtunError } from "../base/errors.ts";

const options = {
  key: { names: ["key", "k"], kind: "string", metavar: "S", help: "", secret: true },
  verbose: { names: ["verbose", "v"], kind: "boolean", default: false, help: "" },
} as const;
const stopped = (signal: AbortSignal) =>
  new Promise<never>((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason)));

const logging = (o: { verbose: boolean }) =>
  ({ level: o.verbose ? "debug" : "info", format: "text" }) as const;
const command = (run: (context: RunContext) => Promise<number>, isLogging = true) =>
  defineCommand({
    summary: "", example: "", options,
    ...(isLogging ? { logging } : {}),
    run: (_, context) => run(context),
  });

const keepAlive = setInterval(() => {}, 1000);
Deno.exit(await run(Deno.args, {
  seven: command(() => Promise.resolve(7)),
  wait: command(async ({ signal, log, secretsHidden }) => {
    log.info("Waiting", { secretsHidden });
    return await stopped(signal);
  }),
  stuck: command(async ({ log, signal }) => {
    signal.addEventListener("abort", () => log.info("Asked"));
    log.info("Waiting");
    return await new Promise<number>(() => {});
  }),
  taken: command(() => Promise.reject(new TtunError("in_use", "Port 1 is taken"))),
  later: command(({ begin }) => {
    begin?.();
    return Promise.reject(new TtunError("in_use", "Port 1 is taken"));
  }),
  plain: command(() => Promise.reject(new TtunError("lost", "Gone\\nforged line")), false),
  bug: command(() => Promise.reject(new RangeError("broken"))),
  stray: command(async ({ signal }) => {
    Promise.reject(new RangeError("unawaited"));
    return await stopped(signal);
  }),
  thrown: command(async ({ signal }) => {
    setTimeout(() => {
      throw new RangeError("uncaught");
    });
    return await stopped(signal);
  }),
}));
`.replace("../base/", new URL("../base/", import.meta.url).href);

test("a command's number is the exit code", async () => {
  await using script = await writeScript(SCRIPT);
  const ended = await runDeno(["run", "--no-prompt", script.path, "seven"]);
  assert.deepEqual(ended, { code: 7, stdout: "", stderr: "" });
});

test("the first signal stops a command, which is exit code 0", async () => {
  await using script = await writeScript(SCRIPT);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using running = startDeno(["run", "--no-prompt", script.path, "wait"]);
    await running.prints("Waiting");
    running.kill(signal);
    assert.equal((await running.ended).code, 0);
  }
});

test("the second signal ends the process at once, with 130 or 143", async () => {
  await using script = await writeScript(SCRIPT);
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    await using running = startDeno(["run", "--no-prompt", script.path, "stuck"]);
    await running.prints("Waiting");
    running.kill("SIGTERM");
    await running.prints("Asked");
    running.kill(signal);
    assert.equal((await running.ended).code, code);
  }
});

test("a failure is one line and its own exit code", async () => {
  await using script = await writeScript(SCRIPT);
  const early = await runDeno(["run", "--no-prompt", script.path, "taken"]);
  assert.deepEqual(early, { code: 8, stdout: "", stderr: "ttun: Port 1 is taken\n" });
  const logged = await runDeno(["run", "--no-prompt", script.path, "later"]);
  assert.equal(logged.code, 8);
  assert.match(logged.stderr, /^\S+Z error Port 1 is taken {2}kind=in_use\n$/);
  const plain = await runDeno(["run", "--no-prompt", script.path, "plain"]);
  assert.deepEqual(plain, { code: 9, stdout: "", stderr: "ttun: Gone\\u000aforged line\n" });
});

test("a bug is exit code 1, and shows its stack under -v alone", async () => {
  await using script = await writeScript(SCRIPT);
  const bugs = [["bug", "broken"], ["stray", "unawaited"], ["thrown", "uncaught"]] as const;
  for (const [name, what] of bugs) {
    const quiet = await runDeno(["run", "--no-prompt", script.path, name]);
    assert.equal(quiet.code, 1);
    assert.match(quiet.stderr, new RegExp(`^ttun: Unexpected failure: RangeError: ${what}$`, "m"));
    assert.doesNotMatch(quiet.stderr, /\.ts:/);
    const verbose = await runDeno(["run", "--no-prompt", script.path, name, "-v"]);
    assert.equal(verbose.code, 1);
    assert.match(verbose.stderr, /debug Where it failed {2}stack=".*\.ts:/);
  }
});

test("levels are coloured on a terminal, unless NO_COLOR is set", async () => {
  await using script = await writeScript(SCRIPT);
  const command = `${Deno.execPath()} run --no-prompt ${script.path} later`;
  await using colored = startOnTerminal(command, { env: { NO_COLOR: "" } });
  assert.equal((await colored.ended).code, 8);
  assert.ok(colored.output.includes("\x1b[31merror\x1b[0m Port 1"));
  await using plain = startOnTerminal(command, { env: { NO_COLOR: "1" } });
  assert.equal((await plain.ended).code, 8);
  assert.ok(!plain.output.includes("\x1b"));
});

test({
  name: "a key among the arguments is gone from the process list once ttun runs",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using script = await writeScript(SCRIPT);
    const cases = [
      // The bytes are overwritten in place, all else stays.
      { flags: ["-A"], wanted: /ttun-test-\S+ wait -k x{6} --key=x{6} $/ },
      // Without native calls, or without all of /proc, the title replaces the arguments.
      { flags: ["--no-prompt", "--allow-ffi", "--allow-read"], wanted: /^ttun wait -k x --key=x/ },
      { flags: ["--no-prompt"], wanted: /^ttun wait -k x --key=x/ },
    ];
    for (const { flags, wanted } of cases) {
      const args = ["wait", "-k", "n0body", "--key=n1body"];
      await using running = startDeno(["run", ...flags, script.path, ...args]);
      await running.prints("secretsHidden=true");
      const shown = await Deno.readTextFile(`/proc/${running.pid}/cmdline`);
      assert.match(shown.replaceAll("\0", " "), wanted);
      assert.doesNotMatch(shown, /n[01]body/);
    }
  },
});
