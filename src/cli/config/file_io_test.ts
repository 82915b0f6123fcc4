import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { fileCommands } from "../command/command.ts";
import { COMMANDS } from "../command/commands.ts";
import { MAIN, runDeno } from "../process_fixture.ts";
import { loadConfig, soundEntries } from "./file.ts";
import { configName, findConfig, isConfigPath, parseConfigName } from "./names.ts";

const FILES = fileCommands(COMMANDS);

interface Folder extends AsyncDisposable {
  readonly path: string;
  write(name: string, text: string, mode?: number): Promise<string>;
}

async function makeFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir({ prefix: "ttun-test-" });
  return {
    path,
    write: async (name, text, mode = 0o644) => {
      await Deno.writeTextFile(`${path}/${name}`, text);
      await Deno.chmod(`${path}/${name}`, mode);
      return `${path}/${name}`;
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

const CLIENT = '[[client]]\nserver = "192.0.2.1"\n';

test("a file with commands or keys must be its owner's alone; so must root's, whatever it holds", async () => {
  await using folder = await makeFolder();
  const load = (path: string) => soundEntries(loadConfig(path, FILES)).length;
  const cases = [
    ["up = 'true'", "up", 0o622, /which holds up: other users may write to it; run chmod go-w/],
    ["down = 'true'", "down", 0o666, /other users may write/],
    ["key = 'n0body'", "key", 0o644, /other users may read key in it; run chmod 600/],
    ["key = 'n0body'", "key", 0o602, /other users may write/],
  ] as const;
  for (const [line, , mode, message] of cases) {
    const path = await folder.write("a.toml", `${CLIENT}${line}\n`, mode);
    assert.throws(() => load(path), (error: Error) => {
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /n0body/);
      return true;
    });
    await Deno.chmod(path, 0o600);
    assert.equal(load(path), 1);
  }
  const exec = "[[client]]\nserver = 'exec:true'\n";
  const path = await folder.write("b.toml", exec, 0o666);
  assert.throws(() => load(path), { kind: "usage", message: /which holds server: / });
  const plain = await folder.write("c.toml", CLIENT, 0o666);
  if (Deno.uid() !== 0) assert.equal(load(plain), 1);
  else assert.throws(() => load(plain), { message: /which holds options of root's: other users/ });
  await Deno.chmod(plain, 0o644);
  assert.equal(load(plain), 1);
});

test({
  name: "a file of another user, or in a folder that others may write to, holds no commands",
  ignore: Deno.build.os === "windows" || Deno.uid() !== 0,
  fn: async () => {
    await using folder = await makeFolder();
    const load = (path: string) => loadConfig(path, FILES);
    const path = await folder.write("a.toml", `${CLIENT}up = 'true'\n`, 0o600);
    await Deno.chown(path, 65534, 65534);
    assert.throws(() => load(path), { message: /belongs to user 65534/ });
    await Deno.mkdir(`${folder.path}/open`);
    await Deno.chmod(`${folder.path}/open`, 0o777);
    const open = await folder.write("open/b.toml", `${CLIENT}up = 'true'\n`, 0o600);
    assert.throws(() => load(open), { message: /other users may write to the folder/ });
    const link = `${folder.path}/link.toml`;
    await Deno.symlink(open, link);
    assert.throws(() => load(link), { message: /other users may write to the folder/ });
  },
});

test("what is no file, no text, too long or not there is refused", async () => {
  await using folder = await makeFolder();
  const refuse = (path: string, message: RegExp) =>
    assert.throws(() => loadConfig(path, FILES), { kind: "usage", message });
  refuse(`${folder.path}/none.toml`, /there is no such file$/);
  refuse(folder.path, /it is no file$/);
  await Deno.writeFile(`${folder.path}/x.toml`, Uint8Array.of(0xff));
  refuse(`${folder.path}/x.toml`, /it is not UTF-8 text$/);
  await Deno.truncate(`${folder.path}/x.toml`, 2 ** 30);
  refuse(`${folder.path}/x.toml`, /it is over 256 KiB$/);
});

test("a name is looked for in the folders, a path is taken as it is", () => {
  for (const path of ["/a/b", "./x", "x.toml", "../x.toml"]) {
    assert.ok(isConfigPath(path));
    assert.equal(findConfig(parseConfigName(path)), path);
  }
  assert.equal(configName("/etc/ttun/office.toml"), "office");
  assert.throws(() => findConfig("no-such-configuration"), {
    kind: "usage",
    message: /looked for .*\/no-such-configuration\.toml and /,
  });
  for (const name of ["", "a b", "..", "ä", "x".repeat(65)]) {
    assert.throws(() => parseConfigName(name), { kind: "usage" }, name);
  }
});

test("the command line counts before the environment, that before the file", async () => {
  await using folder = await makeFolder();
  const text = `${CLIENT}wintun = "of the file"\nmtu = 1300\n\n[[client]]\nserver = "b"\n`;
  const path = await folder.write("a.toml", text);
  const run = (env: Record<string, string>, ...args: string[]) =>
    runDeno(["run", "-A", MAIN, "client", ...args], { env: { TTUN_KEY: "k", ...env } });
  const several = await run({}, "--config", path);
  assert.equal(several.code, 2);
  assert.match(several.stderr, /There are 2 \[\[client\]\] in .*--config-entry N/);
  // An option that is refused on Linux shows that it has come from the file.
  const file = await run({ TTUN_CONFIG: path }, "--config-entry", "1");
  assert.match(file.stderr, /Cannot use --wintun/);
  const wrong = await run({ TTUN_MTU: "1" }, "--config", path, "--config-entry", "1");
  assert.match(wrong.stderr, /Cannot take "1" for TTUN_MTU/);
  const shown = await runDeno(["run", "-A", MAIN, "config", "show", path], {
    env: { TTUN_MTU: "1400" },
  });
  assert.match(shown.stdout, /^mtu = 1400 {2}# TTUN_MTU$/m);
  assert.match(shown.stdout, /^wintun = "of the file" {2}# \S+ line 3$/m);
});

test("faults are printed line by line, and a command tells the first one", async () => {
  await using folder = await makeFolder();
  const path = await folder.write("a.toml", "[[client]]\nservr = 'a'\nmtu = 1\n");
  const check = await runDeno(["run", "-A", MAIN, "config", "check", path]);
  assert.equal(check.code, 2);
  assert.deepEqual(check.stderr.split("\n"), [
    `ttun: ${path} line 2: there is no setting "servr" of client; did you mean server?`,
    `ttun: ${path} line 3: Cannot take "1" for mtu: it must be a whole number from 68 to 65519`,
    "",
  ]);
  const run = await runDeno(["run", "-A", MAIN, "client", "--config", path]);
  assert.equal(run.code, 2);
  assert.match(run.stderr, /line 2: there is no setting "servr".*; ttun config check has 1 more$/m);
  const good = await folder.write("b.toml", CLIENT);
  const { code, stdout } = await runDeno(["run", "-A", MAIN, "config", "check", good]);
  assert.deepEqual([code, stdout], [0, `${good} is good: [[client]]\n`]);
});

/** A module in the output of `deno info --json`. */
interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly isDynamic?: boolean;
    readonly code?: { readonly specifier: string };
    readonly type?: unknown;
  }[];
}

test("a start without a configuration does not load the parser of TOML", async () => {
  const { code, stdout } = await runDeno(["info", "--json", "--lock=tests/deno.lock", MAIN]);
  assert.equal(code, 0);
  const modules = new Map(
    (JSON.parse(stdout).modules as Module[]).map((one) => [one.specifier, one]),
  );
  const run = new URL("../run.ts", import.meta.url).href;
  const reached = new Set<string>([run]);
  for (const at of reached) {
    for (const { isDynamic, code } of modules.get(at)?.dependencies ?? []) {
      if (isDynamic !== true && code !== undefined) reached.add(code.specifier);
    }
  }
  const names = [...reached];
  assert.ok(names.some((name) => name.endsWith("cli/config/options.ts")));
  assert.ok(
    !names.some((name) => /toml|cli\/config\/(?!options|names)/.test(name)),
    names.join(" "),
  );
});
