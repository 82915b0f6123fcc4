import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { makeLogger } from "../../base/log.ts";
import { isThere } from "../../io/files/present.ts";
import { writePidFile } from "./pid_file.ts";
import { runDeno, startDeno, writeScript } from "../process_fixture.ts";

async function makeFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "ttun-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function keptLog() {
  const lines: string[] = [];
  const log = makeLogger(
    ({ level, message, fields }) => lines.push(`${level} ${message}: ${fields.why}`),
    () => 0,
  );
  return { log, lines };
}

test("the file has the number while it holds, and is gone afterwards", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/pid`;
  await Deno.writeTextFile(path, "4711 of a process that was killed\n");
  const { log, lines } = keptLog();
  {
    using _file = writePidFile(path, log);
    assert.equal(await Deno.readTextFile(path), `${Deno.pid}\n`);
  }
  assert.equal(isThere(path), false);
  assert.deepEqual(lines, []);
});

test("what has become another's file stays, and one that is gone is none of ours", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/pid`;
  const { log, lines } = keptLog();
  {
    using _file = writePidFile(path, log);
    await Deno.writeTextFile(path, "4711\n");
  }
  assert.equal(await Deno.readTextFile(path), "4711\n");
  {
    using _file = writePidFile(path, log);
    await Deno.remove(path);
  }
  assert.deepEqual(lines, []);
});

test("no link of others is followed, and nothing else is written over", async () => {
  await using folder = await makeFolder();
  const { log } = keptLog();
  const victim = `${folder.path}/victim`;
  await Deno.writeTextFile(victim, "4711\n");
  const path = `${folder.path}/pid`;
  const refused = (message: RegExp) => {
    assert.throws(() => writePidFile(path, log), { kind: "usage", message });
  };
  for (const target of [victim, `${folder.path}/none`]) {
    await Deno.symlink(target, path);
    refused(/a symbolic link of user \d+ is there; remove it, or name its target$/);
    await Deno.remove(path);
  }
  assert.equal(await Deno.readTextFile(victim), "4711\n");
  await new Deno.Command("mkfifo", { args: [path] }).output();
  refused(/a pipe, socket or device of user \d+ is there$/);
  await Deno.remove(path);
  await Deno.writeTextFile(path, "root:x:0:0:\n");
  refused(/no process number is in/);
  await Deno.remove(path);
  await Deno.link(victim, path);
  {
    using _file = writePidFile(path, log);
    assert.equal(await Deno.readTextFile(path), `${Deno.pid}\n`);
  }
  assert.equal(await Deno.readTextFile(victim), "4711\n", "a hard link is taken away alone");
});

test("a link in the place of the file is left, and its target as well", async () => {
  await using folder = await makeFolder();
  const { log, lines } = keptLog();
  const path = `${folder.path}/pid`;
  const other = `${folder.path}/other`;
  {
    using _file = writePidFile(path, log);
    await Deno.rename(path, other);
    await Deno.symlink(other, path);
  }
  assert.deepEqual([isThere(path), isThere(other), lines], [true, true, []]);
});

test("what cannot be written is an error of the user's, what cannot be removed a warning", async () => {
  await using folder = await makeFolder();
  const { log, lines } = keptLog();
  assert.throws(() => writePidFile(`${folder.path}/none/pid`, log), {
    kind: "usage",
    message: /^Cannot write process number file ".*\/none\/pid": there is no such folder$/,
  });
  assert.throws(() => writePidFile(folder.path, log), { kind: "usage", message: /^Cannot write/ });
  const path = `${folder.path}/pid`;
  {
    using _file = writePidFile(path, log);
    await Deno.remove(path);
    await Deno.mkdir(path);
  }
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^warn cannot remove the process number file: /);
});

const NOBODY = 65534;

function skipWithoutRoot(what: string): boolean {
  const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;
  if (!isRoot) console.log(`${what} is not tested: only root can make other users' files`);
  return !isRoot;
}

function chown(path: string): void {
  const args = ["-h", `${NOBODY}`, path];
  assert(new Deno.Command("chown", { args }).outputSync().success);
}

test({
  name: "no link, pipe or file of another user is written, replaced or waited for",
  ignore: skipWithoutRoot("a process number file in the place of another user's"),
  fn: async () => {
    await using folder = await makeFolder();
    const { log } = keptLog();
    await Deno.chmod(folder.path, 0o1777);
    const [path, precious] = [`${folder.path}/pid`, `${folder.path}/precious`];
    await Deno.writeTextFile(precious, "815\n");
    const refused = (message: RegExp) =>
      assert.throws(() => writePidFile(path, log), { kind: "usage", message });

    await Deno.symlink(precious, path);
    refused(/pid": a symbolic link of user 0 is there/);
    chown(path);
    refused(/pid": a symbolic link of user 65534 is there; remove it, or name its target$/);
    await Deno.remove(path);
    await Deno.symlink(`${folder.path}/none`, path);
    refused(/a symbolic link/);
    assert.equal(isThere(`${folder.path}/none`), false);
    await Deno.remove(path);

    assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
    refused(/a pipe, socket or device of user 0 is there$/);
    await Deno.remove(path);

    await Deno.writeTextFile(path, "4711\n");
    chown(path);
    refused(/a file of user 65534 is there/);
    assert.equal(await Deno.readTextFile(path), "4711\n");
    await Deno.remove(path);

    // A second name of another file: only the name goes.
    await Deno.link(precious, path);
    writePidFile(path, log)[Symbol.dispose]();
    assert.equal(isThere(path), false);
    assert.equal(await Deno.readTextFile(precious), "815\n");
  },
});

test({
  name: "a folder that another user could exchange for a link is refused",
  ignore: skipWithoutRoot("a process number file behind another user's folder"),
  fn: async () => {
    await using folder = await makeFolder();
    const { log } = keptLog();
    await Deno.chmod(folder.path, 0o1777);
    await Deno.mkdir(`${folder.path}/etc`);
    await Deno.symlink("etc", `${folder.path}/run`);
    chown(`${folder.path}/run`);
    assert.throws(() => writePidFile(`${folder.path}/run/pid`, log), {
      kind: "usage",
      message: /\/run\/pid": "\S+\/run" on the way belongs to user 65534$/,
    });
    assert.deepEqual([...Deno.readDirSync(`${folder.path}/etc`)], []);
  },
});

test({
  name: "a permission for one path is none for where a link on it leads",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await makeFolder();
    const path = `${folder.path}/run/pid`;
    await Deno.mkdir(`${folder.path}/etc`);
    await Deno.symlink("etc", `${folder.path}/run`);
    await using script = await writeScript(`
      import { mayWritePidFile, writePidFile } from "cli/platform/pid_file.ts";
      for (const work of [mayWritePidFile, writePidFile]) {
        try {
          work(${JSON.stringify(path)}, undefined as never);
          console.log("allowed");
        } catch (error) {
          console.log(error.message);
        }
      }
    `);
    const narrow = ["--allow-sys=uid", `--allow-read=${path}`, `--allow-write=${path}`];
    const ended = await runDeno(["run", "--no-prompt", "--no-check", ...narrow, script.path]);
    const [before, then] = ended.stdout.split("\n");
    assert.match(before!, /^Cannot look at the folders of process .*--allow-read=\/;/);
    assert.match(then!, /^Cannot write process .*not let ttun look at the folders on the way; run/);
    assert.deepEqual([...Deno.readDirSync(`${folder.path}/etc`)], []);
  },
});

test({
  name: "at the end only the file that was made is removed, not one that has its name and text",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using folder = await makeFolder();
    const path = `${folder.path}/pid`;
    const { log, lines } = keptLog();
    const file = writePidFile(path, log);
    await Deno.rename(path, `${folder.path}/ours`);
    await Deno.writeTextFile(path, `${Deno.pid}\n`);
    file[Symbol.dispose]();
    assert.equal(isThere(path), true);
    await Deno.remove(path);

    const second = writePidFile(path, log);
    await Deno.remove(path);
    assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
    second[Symbol.dispose](); // does not wait for a writer
    assert.equal(isThere(path), true);
    assert.equal(lines.length, 1);
  },
});

test("a process that ends at once takes its file with it", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/pid`;
  await using script = await writeScript(`
    import { writePidFile } from "cli/platform/pid_file.ts";
    writePidFile(${JSON.stringify(path)}, undefined as never);
    console.log("written");
    for await (const _ of Deno.stdin.readable);
    Deno.exit(3);
  `);
  await using running = startDeno(["run", "-A", script.path]);
  await running.prints("written");
  assert.equal(await Deno.readTextFile(path), `${running.pid}\n`);
  await running.endInput();
  assert.deepEqual(await running.ended, { code: 3, stdout: "written\n", stderr: "" });
  assert.equal(isThere(path), false);
});

test("a missing permission is named before anything begins", async () => {
  await using script = await writeScript(`
    import { mayWritePidFile } from "cli/platform/pid_file.ts";
    try {
      mayWritePidFile("/some/pid");
    } catch (error) {
      console.log(error.kind, error.message);
    }
  `);
  const ended = await runDeno(["run", "--no-prompt", "--no-check", script.path]);
  assert.match(
    ended.stdout,
    /^privilege Cannot write process number file "\/some\/pid": .*--allow-write=\/some\/pid/,
  );
});
