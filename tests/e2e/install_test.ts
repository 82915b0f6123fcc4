import assert from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { test } from "../check.ts";
import { Process } from "../process.ts";
import { builtBinary } from "./binary.ts";
import { pause } from "./tunnel.ts";
import { type ReleaseServer, serveFolder, type ServerOptions } from "./release_server.ts";

const SCRIPT = new URL("../../install.sh", import.meta.url).pathname;
const INSTALLED = `ttun ${manifest.version}`;

/** What install.sh may use; `uname`, the fetchers and the summers are put in by each test. */
const TOOLS = "sh id mktemp rm rmdir cut awk mkdir dirname cp chmod mv find cat sysctl".split(" ");

/** A user's machine: a home, a folder for temporary files, and nothing but these programs. */
interface Machine extends AsyncDisposable {
  readonly root: string;
  readonly home: string;
  readonly bin: string;
  /** All that is not there for the beginning: what install.sh has left. */
  files(): string[];
  run(args: string[], env?: Record<string, string>): Promise<Ended>;
  spawn(args: string[], env?: Record<string, string>): Process;
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function machine(programs: string[] = ["uname", "curl", "sha256sum"]): Promise<Machine> {
  const root = await Deno.makeTempDir({ prefix: "ttun-machine-" });
  const [home, temporary, tools] = ["home", "tmp", "tools"].map((name) => `${root}/${name}`);
  for (const folder of [home!, temporary!, tools!]) await Deno.mkdir(folder);
  for (const name of [...TOOLS, ...programs]) {
    const path = ["/usr/bin", "/bin", "/sbin", "/usr/sbin"].map((at) => `${at}/${name}`).find(
      (path) => exists(path),
    );
    if (path === undefined) throw new Error(`There is no ${name} here`);
    await Deno.symlink(path, `${tools}/${name}`);
  }
  const bin = `${home}/.local/bin`;
  const spawn = (args: string[], env: Record<string, string> = {}) =>
    // A group of its own, to interrupt as a terminal does. As root, so that the folder is said.
    new Process("/usr/bin/setsid", ["sh", SCRIPT, ...args], {
      clearEnv: true,
      env: { HOME: home!, TMPDIR: temporary!, PATH: tools!, TTUN_INSTALL_DIR: bin, ...env },
    });
  return {
    root,
    home: home!,
    bin,
    spawn,
    files: () => [...list(home!), ...list(temporary!)],
    async run(args, env) {
      await using process = spawn(args, env);
      const { code } = await process.status;
      await process.closed;
      return { code, stdout: process.stdout, stderr: process.stderr };
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function list(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => [
    `${folder}/${name}`,
    ...(isDirectory ? list(`${folder}/${name}`) : []),
  ]);
}

async function release(o: ServerOptions = {}): Promise<ReleaseServer> {
  return serveFolder((await builtBinary()).folder, o);
}

/** Expects that nothing at all was installed, for a reason in words. */
function expectRefused(ended: Ended, words: RegExp, on: Machine): void {
  assert.notEqual(ended.code, 0, ended.stdout);
  assert.match(ended.stderr, words);
  assert.deepEqual(on.files(), []);
}

async function version(file: string): Promise<string> {
  const { stdout } = await new Deno.Command(file, { args: ["--version"] }).output();
  return new TextDecoder().decode(stdout).trim();
}

for (const programs of [["curl", "sha256sum"], ["wget", "shasum", "perl"]]) {
  test(`install.sh with ${programs.join(", ")}: over HTTP, again, and away`, async () => {
    await using on = await machine(["uname", ...programs]);
    await using served = await release();
    const env = { TTUN_BASE_URL: served.url };
    const first = await on.run([], env);
    assert.equal(first.code, 0, first.stderr);
    assert.equal(first.stderr, "");
    assert.match(first.stdout, new RegExp(`installed ${INSTALLED} as ${on.bin}/ttun`));
    assert.match(first.stdout, /is not in PATH.*export PATH=/);
    assert.equal(Deno.statSync(`${on.bin}/ttun`).mode! & 0o7777, 0o755);
    assert.equal(await version(`${on.bin}/ttun`), INSTALLED);
    const files = on.files();
    assert.deepEqual(files, [`${on.home}/.local`, on.bin, `${on.bin}/ttun`]);

    // While it runs, and where PATH has the folder.
    await using running = new Process(`${on.bin}/ttun`, ["server", "--key-file", "-"], {
      stdin: "piped",
    });
    const PATH = `${on.root}/tools:${on.bin}`;
    const again = await on.run([], { ...env, PATH, TTUN_VERSION: `v${manifest.version}` });
    assert.deepEqual([again.code, again.stderr], [0, ""]);
    assert.doesNotMatch(again.stdout, /PATH/);
    assert.deepEqual(on.files(), files);
    running.signal("SIGKILL");

    const gone = await on.run(["--uninstall"]);
    assert.deepEqual([gone.code, gone.stderr], [0, ""]);
    assert.deepEqual(on.files(), files.slice(0, -1));
    const nothing = await on.run(["--uninstall"]);
    assert.equal(nothing.code, 1);
    assert.match(nothing.stderr, /there is no .*\/ttun/);
  });
}

test("install.sh from a folder, and from a pipe", async () => {
  await using on = await machine();
  const { folder } = await builtBinary();
  const env = { TTUN_BASE_URL: `file://${folder}/` };
  assert.equal((await on.run([], env)).code, 0);
  await Deno.remove(`${on.bin}/ttun`);
  const piped = await new Deno.Command("sh", {
    args: ["-c", `cat ${SCRIPT} | sh`],
    env: { ...env, TTUN_INSTALL_DIR: on.bin, TMPDIR: `${on.root}/tmp` },
  }).output();
  assert.equal(piped.code, 0, new TextDecoder().decode(piped.stderr));
  assert.equal(await version(`${on.bin}/ttun`), INSTALLED);
});

test("install.sh without root installs into ~/.local/bin", async () => {
  await using on = await machine(["uname", "curl", "sha256sum", "setpriv"]);
  const { folder } = await builtBinary();
  const reachable = `${on.root}/release`;
  await new Deno.Command("sh", {
    args: [
      "-euc",
      `cp -R ${folder} ${reachable}; cp ${SCRIPT} ${on.root}
       chown -R 65534 ${on.home} ${on.root}/tmp; chmod -R go+rX ${on.root}`,
    ],
  }).output();
  const { code, stderr } = await new Deno.Command("setpriv", {
    args: ["--reuid=65534", "--clear-groups", "--", "sh", `${on.root}/install.sh`],
    cwd: "/",
    clearEnv: true,
    env: {
      HOME: on.home,
      TMPDIR: `${on.root}/tmp`,
      PATH: `${on.root}/tools`,
      TTUN_BASE_URL: `file://${reachable}`,
    },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(await version(`${on.home}/.local/bin/ttun`), INSTALLED);
});

test("install.sh never runs or installs a file whose sum is another", async () => {
  await using on = await machine();
  const { name } = await builtBinary();
  const folder = `${on.root}/release`;
  await Deno.mkdir(folder);
  // Would it be run, it would say so.
  await Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\necho run >>${on.home}/run\n`);
  const env = { TTUN_BASE_URL: `file://${folder}` };
  const sums = (line: string) => Deno.writeTextFile(`${folder}/SHA256SUMS`, line);
  await sums(`${"0".repeat(64)}  ${name}\n`);
  expectRefused(await on.run([], env), /is not what SHA256SUMS says/, on);
  for (const line of ["", `${"0".repeat(64)}  ${name}.old\n`, `  ${name}\n`, `${name}\n`]) {
    await sums(line);
    expectRefused(await on.run([], env), /SHA256SUMS at .* has no sum of/, on);
  }
  // What is there already stays as it is.
  await Deno.mkdir(on.bin, { recursive: true });
  await Deno.writeTextFile(`${on.bin}/ttun`, "before");
  await sums(`${"0".repeat(64)}  ${name}\n`);
  assert.notEqual((await on.run([], env)).code, 0);
  assert.equal(await Deno.readTextFile(`${on.bin}/ttun`), "before");
});

test("install.sh takes back what does not run, or is of another version", async () => {
  await using on = await machine();
  const { name, folder } = await builtBinary();
  const wrong = await on.run([], { TTUN_BASE_URL: `file://${folder}`, TTUN_VERSION: "9.8.7" });
  expectRefused(wrong, /has ttun \d.*, not 9\.8\.7; nothing was installed/, on);
  const other = `${on.root}/release`;
  await Deno.mkdir(other);
  await Deno.writeTextFile(`${other}/${name}`, "#!/no/such/loader\n");
  await new Deno.Command("sh", { args: ["-c", "sha256sum ttun-* >SHA256SUMS"], cwd: other })
    .output();
  const broken = await on.run([], { TTUN_BASE_URL: `file://${other}` });
  expectRefused(broken, /does not run here/, on);
});

test("install.sh has words for what is not there, and for what comes in part", async () => {
  await using on = await machine();
  const { name, folder } = await builtBinary();
  await using empty = serveFolder(on.home);
  expectRefused(await on.run([], { TTUN_BASE_URL: empty.url }), /cannot get .*SHA256SUMS/, on);
  const missing = await on.run([], { TTUN_BASE_URL: "file:///no/such/folder" });
  expectRefused(missing, /cannot get file:\/\/\/no\/such/, on);
  await using cut = serveFolder(folder, { cuts: name });
  expectRefused(await on.run([], { TTUN_BASE_URL: cut.url }), /cannot get|is not what/, on);
  const closed = await on.run([], { TTUN_BASE_URL: "http://127.0.0.1:1" });
  expectRefused(closed, /cannot get http/, on);
});

test("install.sh that is interrupted leaves nothing behind", async () => {
  await using on = await machine();
  const { name, folder } = await builtBinary();
  await using stalled = serveFolder(folder, { stalls: name });
  await using process = on.spawn([], { TTUN_BASE_URL: stalled.url });
  while (!stalled.asked.includes(`/${name}`)) await pause(20);
  assert.notDeepEqual(on.files(), []); // the sums, in a temporary folder
  Deno.kill(-process.pid, "SIGINT");
  assert.notEqual((await process.status).code, 0);
  assert.deepEqual(on.files(), []);
});

test("install.sh takes the file for the system, and none where there is none", async () => {
  await using on = await machine(["curl", "sha256sum"]);
  const systems: [string, string, string | RegExp][] = [
    ["Linux", "x86_64", "ttun-linux-x64"],
    ["Linux", "aarch64", "ttun-linux-arm64"],
    ["Darwin", "x86_64", "ttun-macos-x64"],
    ["Darwin", "arm64", "ttun-macos-arm64"],
    ["Linux", "riscv64", /no ttun for riscv64/],
    ["MINGW64_NT-10.0", "x86_64", /no ttun for MINGW64/],
  ];
  const folder = `${on.root}/release`;
  await Deno.mkdir(folder);
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, "");
  await using served = serveFolder(folder);
  for (const [system, processor, expected] of systems) {
    const uname = `#!/bin/sh\ncase $1 in -s) echo ${system} ;; -m) echo ${processor} ;; esac\n`;
    await Deno.writeTextFile(`${on.root}/tools/uname`, uname, { mode: 0o755 });
    const ended = await on.run([], { TTUN_BASE_URL: served.url });
    if (expected instanceof RegExp) expectRefused(ended, expected, on);
    else assert.equal(served.asked.at(-1), `/${expected}`);
  }
});

test("install.sh gets the latest release, or the one that is asked for, by https alone", async () => {
  await using on = await machine(["uname", "sha256sum"]);
  const curl = `#!/bin/sh\necho "$*" >>${on.root}/asked\nexit 22\n`;
  await Deno.writeTextFile(`${on.root}/tools/curl`, curl, { mode: 0o755 });
  await on.run([]);
  expectRefused(await on.run([], { TTUN_VERSION: "v1.2.3" }), /cannot get https/, on);
  const [latest, old] = (await Deno.readTextFile(`${on.root}/asked`)).split("\n");
  const releases = "https://github.com/tt/cli/releases";
  assert(latest!.endsWith(` ${releases}/latest/download/SHA256SUMS`), latest);
  assert(old!.endsWith(` ${releases}/download/v1.2.3/SHA256SUMS`), old);
  for (const line of [latest, old]) {
    assert.match(line!, /--proto =https --proto-redir =https /);
  }
});

test("install.sh as root installs into /usr/local/bin", async () => {
  const { folder } = await builtBinary();
  const script = `
    mount -t tmpfs none /usr/local/bin
    sh ${SCRIPT}
    /usr/local/bin/ttun --version`;
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    args: ["-m", "--", "sh", "-euc", script],
    env: { TTUN_BASE_URL: `file://${folder}` },
  }).output();
  const output = new TextDecoder().decode(stdout);
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.match(output, new RegExp(`as /usr/local/bin/ttun\\n(.*\\n)?${INSTALLED}\\n$`));
  assert(!exists("/usr/local/bin/ttun"));
});

test("install.sh takes http:// from this machine alone, and refuses what it cannot read", async () => {
  await using on = await machine();
  for (
    const url of [
      "http://example.com",
      "http://localhost.example.com",
      "http://127.0.0.1:80@example.com/",
      "ftp://127.0.0.1",
      "/tmp",
    ]
  ) {
    expectRefused(await on.run([], { TTUN_BASE_URL: url }), /cannot use .* as TTUN_BASE_URL/, on);
  }
  expectRefused(await on.run([], { TTUN_VERSION: "../1" }), /as TTUN_VERSION/, on);
  expectRefused(await on.run(["--unistall"]), /cannot take --unistall/, on);
  await using bare = await machine(["uname"]);
  const env = { TTUN_BASE_URL: "http://127.0.0.1:1" };
  expectRefused(await bare.run([], env), /takes curl or wget/, bare);
});
