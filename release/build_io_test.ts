import assert from "node:assert/strict";
import { hostTarget, TARGETS } from "./targets.ts";

const BUILD = new URL("../build.ts", import.meta.url).pathname;
const host = hostTarget()!;

/** Runs the build with a compiler that is this shell script; `$out` is the file that is asked for. */
async function build(compiler: string, ...args: string[]) {
  return await buildWith("runtime", compiler, ...args);
}

/** `runtime`: what DENORT_BIN names in a folder that has a file `runtime`. */
async function buildWith(runtime: string, compiler: string, ...args: string[]) {
  const folder = await Deno.makeTempDir();
  try {
    const script = `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in -o) out=$2 ;; --target) target=$2 ;; esac
  shift
done
${compiler}
`;
    await Deno.writeTextFile(`${folder}/deno`, script, { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/runtime`, "");
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", BUILD, "--out", `${folder}/out`, ...args],
      env: { COMPILE_DENO: `${folder}/deno`, DENORT_BIN: `${folder}/${runtime}`, NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder();
    const files = await Array.fromAsync(Deno.readDir(`${folder}/out`)).catch(() => []);
    const sums = await Deno.readTextFile(`${folder}/out/SHA256SUMS`).catch(() => "");
    return {
      code,
      output: text.decode(stdout) + text.decode(stderr),
      files: files.map(({ name }) => name),
      sums,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a target that cannot be built is named with the reason and hides no other", async () => {
  const { code, output, files, sums } = await build("echo 'error: no way' >&2; exit 1");
  assert.equal(code, 1);
  for (const { file } of TARGETS) {
    assert.match(output, new RegExp(`cannot build ${file}: .*no way`));
  }
  assert.deepEqual(files.sort(), ["README", "SHA256SUMS", "install.sh"]);
  assert.equal(sums, "");
});

Deno.test("a runtime that cannot be fetched is one sentence, with DENORT_BIN for this machine's", async () => {
  const { code, output } = await build(`cat >&2 <<END
Download https://dl.example/release/v2.4.2/denort-$target.zip
error: Writing deno compile executable to temporary file '$out.tmp-1'

Caused by:
    0: Setting up base binary.
    1: error sending request for url (https://dl.example/release/v2.4.2/denort-$target.zip): no
    2: failed to lookup address information

Stack backtrace:
   0: <unknown>
   8: __libc_start_main_impl
END
exit 1`);
  assert.equal(code, 1);
  for (const { file, triple } of TARGETS) {
    const told = `cannot build ${file}: Deno's runtime, ` +
      `https://dl.example/release/v2.4.2/denort-${triple}.zip, cannot be fetched ` +
      "(failed to lookup address information); " +
      (triple === host.triple
        ? "DENORT_BIN=FILE names a denort of Deno 2.4.2 that is here already"
        : "build it where that address can be reached");
    assert(output.split("\n").includes(told), output);
  }
});

Deno.test("a file for another system is not listed, and does not stay", async () => {
  const { code, output, files } = await build('cp /bin/true "$out"');
  assert.equal(code, 1);
  for (const target of TARGETS.filter(({ triple }) => triple !== host.triple)) {
    assert.match(output, new RegExp(`cannot build ${target.file}: the file is for another system`));
  }
  assert.deepEqual(files.filter((name) => name.startsWith("ttun-")), []);
});

Deno.test("this host's file must run and say its version", async () => {
  const { code, output, files } = await build('cp /bin/true "$out"', "--only", host.name);
  assert.equal(code, 1);
  assert.match(output, /does not run .*DENORT_BIN of the compiler's version/);
  assert(!files.includes(host.file));
});

Deno.test("what is no executable at all is not listed", async () => {
  const { code, output } = await build('echo text >"$out"', "--only", host.name);
  assert.equal(code, 1);
  assert.match(output, /the file is no executable/);
});

Deno.test("a runtime that is named goes to this host's target alone", async () => {
  const { output } = await build('echo "error: $target ${DENORT_BIN:-none}"; exit 1');
  for (const { triple } of TARGETS) {
    const runtime = triple === host.triple ? "\\S+/runtime" : "none";
    assert.match(output, new RegExp(`error: ${triple} ${runtime}`));
  }
});

Deno.test("an unknown target is refused before anything is built", async () => {
  const { code, output, files } = await build("exit 1", "--only", "beos");
  assert.deepEqual([code, files], [2, []]);
  assert.match(output, /No target beos; there are: linux-x64/);
});

Deno.test("a wrong command line, runtime or folder is one line, and nothing is built", async () => {
  const cases = [
    [await build("exit 1", "--bogus"), /^Unknown option '--bogus'.*; usage: deno task build .+\n$/],
    [await build("exit 1", "linux-x64"), /^Unexpected argument 'linux-x64'.*; usage: .+\n$/],
    [await buildWith("none", "exit 1"), /^There is no file \S+\/none, which DENORT_BIN names\n$/],
    [await build("exit 1", "--out", "/proc/none"), /^Cannot make the folder \/proc\/none: .+\n$/],
  ] as const;
  for (const [{ code, output, files }, told] of cases) {
    assert.match(output, told);
    assert.deepEqual([code, files], [2, []]);
  }
});
