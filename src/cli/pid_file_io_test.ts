import assert from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { makeLogger } from "../base/log.ts";
import { writePidFile } from "./pid_file.ts";
import { runDeno, startDeno, writeScript } from "./process_fixture.ts";

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

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
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
    refused(/a symbolic link has that name; remove it$/);
    await Deno.remove(path);
  }
  assert.equal(await Deno.readTextFile(victim), "4711\n");
  await new Deno.Command("mkfifo", { args: [path] }).output();
  refused(/a pipe has that name/);
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

test("a process that ends at once takes its file with it", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/pid`;
  await using script = await writeScript(`
    import { writePidFile } from "cli/pid_file.ts";
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
    import { mayWritePidFile } from "cli/pid_file.ts";
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
