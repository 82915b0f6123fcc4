import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { utf8 } from "../../base/bytes.ts";
import type { TargetFolder } from "../../contract/files.ts";
import { AT_FDCWD, FileCalls, O } from "../../../ffi/linux/file_calls.ts";
import { openBelow, openStepwise } from "./open_below.ts";
import { openTargetFolder } from "./target_folder.ts";

const ATTRIBUTES = { mode: 0o4751, modified: { seconds: 1_600_000_000, nanoseconds: 123_000_000 } };

/** A folder that is received into, `in`, beside what must not be touched. */
class World implements Disposable {
  readonly path = Deno.makeTempDirSync();
  readonly into = `${this.path}/in`;
  readonly folder: TargetFolder;

  constructor() {
    Deno.mkdirSync(this.into);
    Deno.mkdirSync(`${this.path}/outside`);
    this.folder = this.open();
  }

  open(): TargetFolder {
    const shown = (name: string) => name;
    return openTargetFolder({ path: this.into, temporaryName: (base) => `.part-${base}`, shown });
  }

  read(name: string): string {
    return Deno.readTextFileSync(`${this.into}/${name}`);
  }

  names(path = this.into): string[] {
    return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
    Deno.removeSync(this.path, { recursive: true });
  }
}

async function write(folder: TargetFolder, name: string, text: string, overwrite = false) {
  using part = folder.openPart(name);
  part.write(0, utf8(text));
  part.truncate(text.length);
  await part.commit(ATTRIBUTES, overwrite);
}

test("a file has another name until it is complete, then its own, its mode and its time", async () => {
  using world = new World();
  const { folder } = world;
  folder.makeFolder("d", 0o750);
  folder.makeFolder("d/e", 0o555);
  folder.makeFolder("d", 0o777); // it is there
  {
    using part = folder.openPart("d/e/file");
    part.write(3, utf8("lo"));
    part.write(0, utf8("hel"));
    assert.deepEqual(world.names(`${world.into}/d/e`), [".part-file"]);
    assert.equal(Deno.statSync(`${world.into}/d/e/.part-file`).mode! & 0o7777, 0o600);
    const into = new Uint8Array(10);
    assert.equal(part.read(1, into), 4);
    await part.commit(ATTRIBUTES, false);
  }
  folder.finishFolder("d/e", { ...ATTRIBUTES, mode: 0o555 });
  assert.equal(world.read("d/e/file"), "hello");
  assert.deepEqual(world.names(`${world.into}/d/e`), ["file"]);
  const file = Deno.statSync(`${world.into}/d/e/file`);
  const umask = Deno.umask();
  assert.equal(file.mode! & 0o7777, 0o751 & ~umask, "without setuid");
  assert.equal(file.mtime!.getTime(), 1_600_000_000_123);
  const made = Deno.statSync(`${world.into}/d/e`);
  assert.equal(made.mode! & 0o7777, 0o555 & ~umask);
  assert.equal(made.mtime!.getTime(), 1_600_000_000_123);
  assert.equal(Deno.statSync(`${world.into}/d`).mode! & 0o7777, 0o750 & ~umask);
});

test("what has a name already is not replaced, unless that is asked for", async () => {
  using world = new World();
  const { folder } = world;
  await write(folder, "file", "old");
  await assert.rejects(write(folder, "file", "new"), {
    kind: "usage",
    message: /its name already/,
  });
  assert.equal(world.read("file"), "old");
  assert.deepEqual(folder.look("file"), { kind: "file", size: 3 });
  assert.equal(folder.partSize("file"), 3);
  await write(folder, "file", "new", true);
  assert.equal(world.read("file"), "new");
  assert.deepEqual(world.names(), ["file"]);
  Deno.mkdirSync(`${world.into}/taken`);
  await assert.rejects(write(folder, "taken", "new", true), { kind: "usage" });
  Deno.symlinkSync("../outside/file", `${world.into}/link`);
  assert.deepEqual(folder.look("link")?.kind, "other");
  await assert.rejects(write(folder, "link", "new"), { kind: "usage" });
  assert.deepEqual(world.names(`${world.path}/outside`), []);
  assert.throws(() => folder.makeFolder("file", 0o755), { kind: "usage" });
  assert.throws(() => folder.makeFolder("link", 0o755), { kind: "usage" });
});

test("what is unfinished stays for another run, and a file without a byte does not", async () => {
  using world = new World();
  {
    using part = world.folder.openPart("file");
    part.write(0, utf8("hello"));
    using _empty = world.folder.openPart("empty");
  }
  assert.deepEqual(world.names(), [".part-file"]);
  using other = world.open();
  assert.equal(other.partSize("file"), 5);
  assert.equal(other.partSize("nowhere/file"), 0);
  assert.equal(other.look("nowhere/file"), null);
  using part = other.openPart("file");
  assert.equal(part.size, 5);
  using rival = world.open();
  assert.throws(() => rival.openPart("file"), { kind: "in_use" });
  part.truncate(2);
  await part.commit(ATTRIBUTES, false);
  assert.equal(world.read("file"), "he");
  using gone = other.openPart("other");
  gone.write(0, utf8("x"));
  gone.discard();
  assert.deepEqual(world.names(), ["file"]);
});

test("links in the folder lead nowhere: neither folders, nor files, nor unfinished files", () => {
  using world = new World();
  const { folder, into, path } = world;
  const outside = `${path}/outside`;
  Deno.symlinkSync("../outside", `${into}/d`);
  Deno.symlinkSync(`${outside}/stolen`, `${into}/.part-file`);
  const refused = { name: "TtunError", kind: "usage" };
  assert.throws(() => folder.openPart("d/file"), refused);
  assert.throws(() => folder.makeFolder("d/e", 0o755), refused);
  assert.throws(() => folder.makeFolder("d", 0o755), refused);
  assert.throws(() => folder.openPart("file"), refused);
  assert.throws(() => folder.finishFolder("d", ATTRIBUTES), refused);
  // Names are judged elsewhere, and cannot lead out all the same.
  for (const name of ["../outside/file", "x/../../outside/file"]) {
    assert.throws(() => folder.openPart(name), { name: "TtunError" });
  }
  assert.deepEqual(world.names(outside), []);
  Deno.writeTextFileSync(`${outside}/file`, "precious");
  Deno.linkSync(`${outside}/file`, `${into}/.part-hard`);
  assert.throws(() => folder.openPart("hard"), { kind: "usage", message: /not ttun's own/ });
  assert.equal(Deno.readTextFileSync(`${outside}/file`), "precious");
});

test("a folder that becomes a link meanwhile leads nowhere", () => {
  using world = new World();
  const { folder, into } = world;
  folder.makeFolder("d", 0o755);
  folder.makeFolder("d/e", 0o755);
  Deno.renameSync(`${into}/d`, `${into}/old`);
  Deno.symlinkSync("../outside", `${into}/d`);
  assert.throws(() => folder.openPart("d/e/file"), { kind: "usage" });
});

test("without openat2 each part of a path is opened for itself, and is no link either", () => {
  using world = new World();
  Deno.mkdirSync(`${world.into}/a/b`, { recursive: true });
  Deno.writeTextFileSync(`${world.into}/a/b/file`, "");
  Deno.symlinkSync("b", `${world.into}/a/link`);
  Deno.symlinkSync("b/file", `${world.into}/a/linked`);
  using calls = new FileCalls();
  const root = calls.openat(AT_FDCWD, world.into, O.rdonly | O.directory);
  try {
    for (const open of [openBelow, openStepwise]) {
      const opens = (path: string) => {
        const fd = open(calls, root, path, O.rdonly);
        if (fd >= 0) calls.close(fd);
        return fd >= 0;
      };
      const ways = ["a/b/file", "a/link/file", "a/linked", "../outside", "/etc", "a/b"];
      assert.deepEqual(ways.map(opens), [true, false, false, false, false, true]);
    }
  } finally {
    calls.close(root);
  }
});

test("a folder says how much room there is, and a folder that is not there is said", () => {
  using world = new World();
  assert.ok(world.folder.freeBytes() > 0);
  const shown = (name: string) => name;
  const temporaryName = shown;
  assert.throws(() => openTargetFolder({ path: `${world.path}/none`, temporaryName, shown }), {
    kind: "usage",
    message: /Cannot open the folder .*none: it is not there/,
  });
});
