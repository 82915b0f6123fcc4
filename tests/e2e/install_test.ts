import assert from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { test } from "../check.ts";
import { Process } from "../process.ts";
import { installer } from "../../release/installer.ts";
import { sign } from "../../release/sign.ts";
import { type Build, builtBinary } from "./binary.ts";
import { pause } from "./tunnel.ts";
import { type ReleaseServer, serveFolder, type ServerOptions } from "./release_server.ts";

/** Keys and scripts of this test's own: the project's private key is nowhere near. */
const FOLDER = Deno.makeTempDirSync({ prefix: "ttun-install-" });
addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const KEYS = { release: await makeKey("release"), other: await makeKey("other") };
const SCRIPT = `${FOLDER}/install.sh`;
await Deno.writeTextFile(SCRIPT, await installer(KEYS.release.public));
Deno.chmodSync(FOLDER, 0o755);

async function makeKey(name: string): Promise<{ public: string; private: string }> {
  const path = `${FOLDER}/${name}`;
  const args = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path];
  await new Deno.Command("ssh-keygen", { args }).output();
  return { public: await Deno.readTextFile(`${path}.pub`), private: await Deno.readTextFile(path) };
}

let signed: Promise<Build> | null = null;

/** The build, with its signature. */
function release(): Promise<Build> {
  return signed ??= builtBinary().then(async (build) => {
    await sign(build.folder, KEYS.release.private);
    return build;
  });
}

/** Writes the sums of a release of the test's own, and signs them. */
async function sums(folder: string, text: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/SHA256SUMS`, text);
  await sign(folder, KEYS.release.private);
}
const INSTALLED = `ttun ${manifest.version}`;

/** Programs that install.sh may use; each test adds `uname`, the fetchers and the summers. */
const TOOLS = "sh id mktemp rm rmdir cut awk mkdir dirname cp chmod mv find cat sysctl ssh-keygen"
  .split(" ");

/** A user's machine: a home, a folder for temporary files, and nothing but these programs. */
interface Machine extends AsyncDisposable {
  readonly root: string;
  readonly home: string;
  readonly bin: string;
  /** All that is not there for the beginning: what install.sh has left. */
  files(): string[];
  run(args: string[], env?: Record<string, string>, script?: string): Promise<Ended>;
  spawn(args: string[], env?: Record<string, string>, script?: string): Process;
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
  const spawn = (args: string[], env: Record<string, string> = {}, script = SCRIPT) =>
    // A group of its own, to interrupt as a terminal does. As root, so that the folder is said.
    new Process("/usr/bin/setsid", ["sh", script, ...args], {
      clearEnv: true,
      env: { HOME: home!, TMPDIR: temporary!, PATH: tools!, TTUN_INSTALL_DIR: bin, ...env },
    });
  return {
    root,
    home: home!,
    bin,
    spawn,
    files: () => [...list(home!), ...list(temporary!)],
    async run(args, env, script) {
      await using process = spawn(args, env, script);
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

async function serveRelease(o: ServerOptions = {}): Promise<ReleaseServer> {
  return serveFolder((await release()).folder, o);
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
    await using served = await serveRelease();
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
  const { folder } = await release();
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
  const { folder } = await release();
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
  const { name } = await release();
  const folder = `${on.root}/release`;
  await Deno.mkdir(folder);
  // Would it be run, it would say so.
  await Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\necho run >>${on.home}/run\n`);
  const env = { TTUN_BASE_URL: `file://${folder}` };
  await sums(folder, `${"0".repeat(64)}  ${name}\n`);
  expectRefused(await on.run([], env), /is not what SHA256SUMS says/, on);
  for (const line of ["", `${"0".repeat(64)}  ${name}.old\n`, `  ${name}\n`, `${name}\n`]) {
    await sums(folder, line);
    expectRefused(await on.run([], env), /SHA256SUMS at .* has no sum of/, on);
  }
  // A program that is there already stays as it is.
  await Deno.mkdir(on.bin, { recursive: true });
  await Deno.writeTextFile(`${on.bin}/ttun`, "before");
  await sums(folder, `${"0".repeat(64)}  ${name}\n`);
  assert.notEqual((await on.run([], env)).code, 0);
  assert.equal(await Deno.readTextFile(`${on.bin}/ttun`), "before");
});

/** A release of one script, that says when it is run, without a signature. */
async function scriptRelease(on: Machine, name: string): Promise<string> {
  const folder = `${on.root}/release`;
  await Deno.mkdir(folder);
  const text = `#!/bin/sh\necho run >>${on.root}/run\necho ${INSTALLED}\n`;
  await Deno.writeTextFile(`${folder}/${name}`, text);
  await new Deno.Command("sh", { args: ["-c", "sha256sum ttun-* >SHA256SUMS"], cwd: folder })
    .output();
  return folder;
}

test("install.sh takes no sums but those that the release's key has signed, for this purpose", async () => {
  await using on = await machine();
  const { name } = await release();
  const folder = await scriptRelease(on, name);
  const env = { TTUN_BASE_URL: `file://${folder}` };
  const refused = async (words: RegExp) => {
    expectRefused(await on.run([], env), words, on);
    assert(!exists(`${on.root}/run`), "it was run");
  };
  await refused(/cannot get .*SHA256SUMS\.sig/);
  const notRight = /SHA256SUMS at file:.* has no right signature/;
  for (const text of ["", "-----BEGIN SSH SIGNATURE-----\n", "\0".repeat(1000)]) {
    await Deno.writeTextFile(`${folder}/SHA256SUMS.sig`, text);
    await refused(notRight);
  }
  await sign(folder, KEYS.other.private);
  await refused(notRight);
  const elsewhere =
    `ssh-keygen -q -Y sign -f ${FOLDER}/release -n file <SHA256SUMS >SHA256SUMS.sig`;
  await new Deno.Command("sh", { args: ["-c", elsewhere], cwd: folder }).output();
  assert.match(await Deno.readTextFile(`${folder}/SHA256SUMS.sig`), /^-----BEGIN SSH SIGNATURE/);
  await refused(notRight);
  // A file and its sum that were changed together.
  await sign(folder, KEYS.release.private);
  await Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\necho run >>${on.root}/run\n`);
  await refused(/is not what SHA256SUMS says/);
  await new Deno.Command("sh", { args: ["-c", "sha256sum ttun-* >SHA256SUMS"], cwd: folder })
    .output();
  await refused(notRight);
});

test("install.sh without a key, ssh-keygen or a new one goes on by an order alone", async () => {
  await using on = await machine();
  const folder = await scriptRelease(on, (await release()).name);
  const env = { TTUN_BASE_URL: `file://${folder}` };
  const keygen = `${on.root}/tools/ssh-keygen`;
  const old = "#!/bin/sh\necho 'unknown option -- Y' >&2\nexit 1\n";
  await sign(folder, KEYS.release.private);
  await Deno.remove(keygen);
  expectRefused(await on.run([], env), /it takes ssh-keygen .*TTUN_CHECKSUM_ONLY=1$/m, on);
  await Deno.writeTextFile(keygen, old, { mode: 0o755 });
  expectRefused(await on.run([], env), /ssh-keygen is too old.*OpenSSH 8\.1/, on);
  expectRefused(await on.run([], { ...env, TTUN_CHECKSUM_ONLY: "yes" }), /too old/, on);

  const unsigned = await installer(null);
  assert.equal(unsigned, await Deno.readTextFile(new URL("../../install.sh", import.meta.url)));
  await Deno.writeTextFile(`${on.root}/unsigned.sh`, unsigned);
  const run = (more: Record<string, string>) =>
    on.run([], { ...env, ...more }, `${on.root}/unsigned.sh`);
  expectRefused(await run({}), /has no key to check .*TTUN_CHECKSUM_ONLY=1$/m, on);
  assert(!exists(`${on.root}/run`));
  const ended = await run({ TTUN_CHECKSUM_ONLY: "1" });
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, /^install\.sh: the signature is not checked/);
  assert(exists(`${on.bin}/ttun`));
});

test("install.sh follows redirects to https:// alone, and none from this machine", async () => {
  for (const program of ["curl", "wget"]) {
    await using on = await machine(["uname", program, "sha256sum"]);
    const { folder } = await release();
    await using target = serveFolder(folder);
    await using first = serveFolder(folder, { redirectsTo: target.url });
    expectRefused(await on.run([], { TTUN_BASE_URL: first.url }), /cannot get http/, on);
    assert.deepEqual([first.asked, target.asked], [["/SHA256SUMS"], []]);
  }
});

test("install.sh by wget goes on from https:// to https:// alone, and not for ever", async () => {
  await using on = await machine(["uname", "sha256sum"]);
  for (
    const [to, asked] of [
      ["https://cdn.example/a b", ["https://cdn.example/a"]],
      ["http://cdn.example/", []],
      ["file:///etc/passwd", []],
      ["/elsewhere", []],
    ] as const
  ) {
    // Headers as wget -S shows them; the second answer has no further address.
    const script = `#!/bin/sh
for url in "$@"; do :; done
echo "$url" >>${on.root}/asked
case $url in *github*) printf '  HTTP/1.1 302 Found\\n  Location: ${to}\\n' >&2 ;; esac
exit 8\n`;
    await Deno.writeTextFile(`${on.root}/tools/wget`, script, { mode: 0o755 });
    expectRefused(await on.run([]), /cannot get https:\/\/github/, on);
    const urls = (await Deno.readTextFile(`${on.root}/asked`)).trim().split("\n");
    await Deno.remove(`${on.root}/asked`);
    assert.deepEqual(urls.slice(1), asked);
  }
  const ring = `#!/bin/sh
echo again >>${on.root}/asked
echo '  location: https://github.com/ring' >&2
exit 8\n`;
  await Deno.writeTextFile(`${on.root}/tools/wget`, ring, { mode: 0o755 });
  expectRefused(await on.run([]), /cannot get https:/, on);
  assert.equal((await Deno.readTextFile(`${on.root}/asked`)).trim().split("\n").length, 6);
});

test("install.sh writes into no name that others could know beforehand", async () => {
  await using on = await machine();
  const { folder } = await release();
  await Deno.mkdir(on.bin, { recursive: true });
  // The arguments of mktemp are kept; its answers are the system's.
  const script = `#!/bin/sh\necho "$*" >>${on.root}/made\nexec /usr/bin/mktemp "$@"\n`;
  await Deno.remove(`${on.root}/tools/mktemp`);
  await Deno.writeTextFile(`${on.root}/tools/mktemp`, script, { mode: 0o755 });
  const ended = await on.run([], { TTUN_BASE_URL: `file://${folder}` });
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(
    await Deno.readTextFile(`${on.root}/made`),
    `-d\n-d ${on.bin}/.ttun-XXXXXXXXXX\n`,
  );
  assert.deepEqual(list(on.bin), [`${on.bin}/ttun`]);
});

test("install.sh takes back what does not run, or is of another version", async () => {
  await using on = await machine();
  const { name, folder } = await release();
  const wrong = await on.run([], { TTUN_BASE_URL: `file://${folder}`, TTUN_VERSION: "9.8.7" });
  expectRefused(wrong, /has ttun \d.*, not 9\.8\.7; nothing was installed/, on);
  const other = `${on.root}/release`;
  await Deno.mkdir(other);
  await Deno.writeTextFile(`${other}/${name}`, "#!/no/such/loader\n");
  await new Deno.Command("sh", { args: ["-c", "sha256sum ttun-* >SHA256SUMS"], cwd: other })
    .output();
  await sign(other, KEYS.release.private);
  const broken = await on.run([], { TTUN_BASE_URL: `file://${other}` });
  expectRefused(broken, /does not run here/, on);
});

test("install.sh has words for what is not there, and for what comes in part", async () => {
  await using on = await machine();
  const { name, folder } = await release();
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
  const { name, folder } = await release();
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
  await sums(folder, "");
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
  const { folder } = await release();
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
