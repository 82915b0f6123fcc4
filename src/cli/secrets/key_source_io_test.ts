import { test } from "../../../tests/check.ts";
import assert from "node:assert/strict";
import { makeLogger } from "../../base/log.ts";
import { denoKeyEnvironment } from "./key_environment.ts";
import { resolveKey } from "./key_source.ts";
import { runDeno, startOnTerminal, writeScript } from "../process_fixture.ts";

/** Prints where the key came from and what it is, in an order that no echo could produce. */
const SCRIPT = `
import { defineCommand } from "cli/command/command.ts";
import { resolveKey } from "cli/secrets/key_source.ts";
import { run } from "cli/run.ts";

const options = {
  key: { names: ["key", "k"], kind: "string", metavar: "S", help: "", variable: "TTUN_KEY" },
  keyFile: {
    names: ["key-file"], kind: "string", metavar: "FILE", help: "", variable: "TTUN_KEY_FILE",
  },
} as const;
Deno.exit(await run(Deno.args, {
  find: defineCommand({
    summary: "", example: "", options,
    run: async (options, context) => {
      const { key, source } = await resolveKey(options, context);
      const reversed = [...new TextDecoder().decode(key)].reverse().join("");
      await new Promise((wake) => setTimeout(wake, 100)); // standard error is written by a thread
      console.log(source, reversed, Deno.permissions.querySync({ name: "env" }).state === "granted" &&
        Deno.env.has("TTUN_KEY"));
      return 0;
    },
  }),
}));
`;

const isUnix = Deno.build.os !== "windows";

function skipWithoutRoot(): boolean {
  const isRoot = isUnix && Deno.uid() === 0;
  if (!isRoot) console.log("Key files of others are not tested: only root can make them");
  return !isRoot;
}

async function fromFile(path: string): Promise<string> {
  const context = {
    signal: new AbortController().signal,
    log: makeLogger(() => {}, () => 0),
    secretsHidden: true,
  };
  const { key } = await resolveKey({ key: undefined, keyFile: path }, context, denoKeyEnvironment);
  return new TextDecoder().decode(key);
}

async function makeFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "ttun-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

test({
  name: "a real key file is read when it is its owner's alone",
  ignore: !isUnix,
  fn: async () => {
    await using folder = await makeFolder();
    const path = `${folder.path}/key`;
    await Deno.writeTextFile(path, "secret\n", { mode: 0o600 });
    assert.equal(await fromFile(path), "secret");
    await Deno.chmod(path, 0o640);
    await assert.rejects(fromFile(path), { kind: "usage", message: /chmod 600 / });
    await Deno.chmod(path, 0o604);
    await assert.rejects(fromFile(path), { kind: "usage", message: /chmod 600 / });
  },
});

test({
  name: "a key file is root's, or of the user who called sudo, and of nobody else",
  ignore: skipWithoutRoot(),
  fn: async () => {
    await using script = await writeScript(SCRIPT);
    await using folder = await makeFolder();
    const path = `${folder.path}/key`;
    await Deno.writeTextFile(path, "abc", { mode: 0o600 });
    await Deno.chown(path, 65534, 65534);
    const command = ["run", "-A", script.path, "find", "--key-file", path];
    for (const env of [{}, { SUDO_UID: "65533" }, { SUDO_UID: "" }, { SUDO_UID: "65534x" }]) {
      const { code, stderr } = await runDeno(command, { env });
      assert.equal(code, 2);
      assert.match(stderr, /Cannot use key file ".*": it belongs to user 65534, who could change/);
    }
    const called = await runDeno(command, { env: { SUDO_UID: "65534" } });
    assert.deepEqual([called.code, called.stdout], [0, "--key-file cba false\n"]);
    // Without the permission to ask who we are nothing is taken on trust.
    const narrow = ["run", "--no-prompt", `--allow-read=${folder.path}`, ...command.slice(2)];
    const refused = await runDeno(narrow);
    assert.equal(refused.code, 7);
    assert.match(refused.stderr, /Cannot tell whose key file ".*" is: .*--allow-sys=uid/);
  },
});

test("a missing file, one below a file, a directory and a huge file are refused", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/key`;
  await assert.rejects(fromFile(path), { kind: "usage", message: /no such file/ });
  await assert.rejects(fromFile(folder.path), { kind: "usage", message: /is a directory/ });
  await Deno.writeTextFile(path, "", { mode: 0o600 });
  await assert.rejects(fromFile(path), { kind: "usage", message: /empty/ });
  await assert.rejects(fromFile(`${path}/x`), { kind: "usage", message: /no such file/ });
  await Deno.truncate(path, 2 ** 40);
  await assert.rejects(fromFile(path), { kind: "usage", message: /over 64 KiB/ });
});

test("a key comes by standard input, the environment and credentials", async () => {
  await using script = await writeScript(SCRIPT);
  await using folder = await makeFolder();
  await Deno.writeTextFile(`${folder.path}/ttun-key`, "abc\n", { mode: 0o400 });
  const command = ["run", "-A", script.path, "find"];
  const stdout = async (ended: ReturnType<typeof runDeno>) => (await ended).stdout;
  assert.equal(
    await stdout(runDeno([...command, "--key-file", "-"], { stdin: "abc\r\n" })),
    "--key-file cba false\n",
  );
  assert.equal(
    await stdout(runDeno(command, { env: { TTUN_KEY: "abc" } })),
    "TTUN_KEY cba false\n",
  );
  assert.equal(
    await stdout(runDeno(command, { env: { CREDENTIALS_DIRECTORY: folder.path } })),
    "credential cba false\n",
  );
  const file = { TTUN_KEY_FILE: `${folder.path}/ttun-key` };
  assert.equal(await stdout(runDeno(command, { env: file })), "TTUN_KEY_FILE cba false\n");
});

test("without a permission Deno asks nobody: variables are unset, a file is an error", async () => {
  await using script = await writeScript(SCRIPT);
  const flags = `run ${script.path} find`;
  await using unset = startOnTerminal(`${Deno.execPath()} ${flags} </dev/null`, {
    env: { TTUN_KEY: "n0body" },
  });
  assert.equal((await unset.ended).code, 2);
  assert.match(unset.output, /^ttun: There is no key:/);
  await using file = startOnTerminal(`${Deno.execPath()} ${flags} --key-file /some/key`);
  assert.equal((await file.ended).code, 7);
  assert.match(
    file.output,
    /^ttun: Cannot read key file "\/some\/key": .*--allow-read=\/some\/key/,
  );
});

test({
  name: "a variable that is no text is refused without its value",
  ignore: !isUnix,
  fn: async () => {
    await using script = await writeScript(SCRIPT);
    const command =
      `TTUN_KEY=$(printf 'n0body\\377') ${Deno.execPath()} run -A ${script.path} find`;
    await using running = startOnTerminal(`${command} </dev/null`);
    assert.equal((await running.ended).code, 2);
    assert.match(running.output, /TTUN_KEY .*not UTF-8/);
    assert.doesNotMatch(running.output, /n0body/);
  },
});

test({
  name: "a prompt reads the key without showing it and leaves the terminal as it was",
  ignore: !isUnix,
  fn: async () => {
    await using script = await writeScript(SCRIPT);
    const command = `${Deno.execPath()} run -A ${script.path} find`;
    await using running = startOnTerminal(`stty -a; ${command}; echo "code $?"; stty -a`);
    await running.prints("Key: ");
    await running.type("n0bodyX\x7f\r");
    await running.ended;
    assert.match(running.output, /Key: \r\nprompt ydob0n false\r\ncode 0\r\n/);
    assert.doesNotMatch(running.output, /n0body/);
    const [before, after] = running.output.split(/Key: [^]*code 0\r\n/);
    assert.equal(after, before);
    assert.match(after!, / echo /);
  },
});

test({
  name: "Ctrl-C at the prompt ends with 130, SIGTERM as everywhere; the terminal is as it was",
  ignore: !isUnix,
  fn: async () => {
    await using script = await writeScript(SCRIPT);
    const command = `${Deno.execPath()} run -A ${script.path} find`;
    await using interrupted = startOnTerminal(`${command}; echo "code $?"; stty -a`);
    await interrupted.prints("Key: ");
    await interrupted.type("n0\x03");
    await interrupted.ended;
    assert.match(interrupted.output, /^Key: \r\ncode 130\r\n[^]* icanon [^]* echo /);

    await using killed = startOnTerminal(
      `sh -c 'echo "pid $$"; exec ${command}'; echo "code $?"; stty -a`,
    );
    await killed.prints("Key: ");
    Deno.kill(Number(/pid (\d+)/.exec(killed.output)![1]), "SIGTERM");
    await killed.ended;
    assert.match(killed.output, /Key: \r\ncode 0\r\n[^]* icanon [^]* echo /);
  },
});

test({
  name: "the command that the error names makes a key that is found, whatever the umask is",
  ignore: !isUnix,
  fn: async () => {
    await using script = await writeScript(SCRIPT);
    await using folder = await makeFolder();
    const deno = Deno.execPath();
    const main = new URL("../../../main.ts", import.meta.url).pathname;
    await using missing = startOnTerminal(`${deno} run -A ${script.path} find </dev/null`, {
      env: { HOME: folder.path },
    });
    assert.equal((await missing.ended).code, 2);
    const [, make, before] = /key: ttun (genkey > \S+) makes .*\(after (mkdir -p \S+)\)/
      .exec(missing.output)!;
    const commands = `umask 022; ${before}; ${deno} run --no-prompt ${main} ${make}; ` +
      `stat -c %a .config/ttun/key; ${deno} run -A ${script.path} find </dev/null`;
    await using whole = startOnTerminal(`cd ${folder.path}; ${commands}`, {
      env: { HOME: folder.path },
    });
    assert.equal((await whole.ended).code, 0, whole.output);
    assert.match(whole.output, /^600\r\n/m);
    assert.match(whole.output, /default file [\w-]{43} false/);
  },
});
