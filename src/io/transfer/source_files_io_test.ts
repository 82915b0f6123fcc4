import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import type { ListedFile } from "../../contract/files.ts";
import { SourceFiles } from "./source_files.ts";

class World implements Disposable {
  readonly path = Deno.makeTempDirSync();
  readonly #opened: SourceFiles[] = [];

  /** Lists what is at these names. */
  list(names: readonly string[], follows = false): ListedFile[] {
    const paths = names.map((name) => ({ path: `${this.path}/${name}`, name }));
    const files = new SourceFiles({ paths, follows, shown: (name) => name });
    this.#opened.push(files);
    return [...files.list()];
  }

  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.path}/${name}`, text);
  }

  [Symbol.dispose](): void {
    for (const files of this.#opened) files[Symbol.dispose]();
    Deno.removeSync(this.path, { recursive: true });
  }
}

function read(file: ListedFile): string {
  using opened = file.open();
  const into = new Uint8Array(100);
  const text = new TextDecoder().decode(into.subarray(0, opened.read(0, into)));
  assert.ok(opened.isUnchanged());
  return text;
}

test("folders are listed before what is in them, with sizes, modes and times", () => {
  using world = new World();
  Deno.mkdirSync(`${world.path}/d/empty`, { recursive: true });
  world.write("d/b", "bb");
  world.write("d/a", "");
  world.write("single", "hello");
  Deno.chmodSync(`${world.path}/d/b`, 0o640);
  Deno.utimeSync(`${world.path}/d/b`, 1_600_000_000.5, 1_600_000_000.5);
  const files = world.list(["d", "single"]);
  assert.deepEqual(files.map(({ kind, name, size }) => [kind, name, size]), [
    ["folder", "d", 0],
    ["file", "d/a", 0],
    ["file", "d/b", 2],
    ["folder", "d/empty", 0],
    ["file", "single", 5],
  ]);
  const b = files[2]!;
  assert.deepEqual([b.mode, b.modified], [0o640, {
    seconds: 1_600_000_000,
    nanoseconds: 500_000_000,
  }]);
  assert.deepEqual([read(b), read(files[4]!), read(files[1]!)], ["bb", "hello", ""]);
});

test("links, devices and names that are no text are refused; links can be followed", () => {
  using world = new World();
  Deno.mkdirSync(`${world.path}/d`);
  Deno.mkdirSync(`${world.path}/other`);
  world.write("other/file", "linked");
  Deno.symlinkSync("../other", `${world.path}/d/link`);
  assert.throws(() => world.list(["d"]), {
    kind: "usage",
    message: /d\/link: it is a link; --follow/,
  });
  assert.throws(() => world.list(["d/link"]), { kind: "usage", message: /it is a link/ });
  const followed = world.list(["d"], true);
  assert.deepEqual(followed.map(({ name }) => name), ["d", "d/link", "d/link/file"]);
  assert.equal(read(followed[2]!), "linked");
  Deno.symlinkSync("../d", `${world.path}/d/loop`);
  assert.throws(() => world.list(["d"], true), { message: /d\/loop: a link leads back/ });
  assert.throws(() => world.list(["none"]), { kind: "usage", message: /none: it is not there/ });
  const { success } = new Deno.Command("mkfifo", { args: [`${world.path}/fifo`] }).outputSync();
  assert.ok(success);
  assert.throws(() => world.list(["fifo"]), { kind: "usage", message: /it is no file/ });
  const made = new Deno.Command("sh", {
    args: ["-c", `printf x > "${world.path}/other/$(printf '\\377')"`],
  }).outputSync();
  assert.ok(made.success);
  assert.throws(() => world.list(["other"]), { kind: "usage", message: /is not UTF-8/ });
});

test("a file that was changed, or is another one now, is known", () => {
  using world = new World();
  Deno.mkdirSync(`${world.path}/d`);
  for (const name of ["grown", "replaced", "linked", "same"]) world.write(`d/${name}`, "text");
  const files = world.list(["d"]);
  const find = (name: string) => files.find((one) => one.name === `d/${name}`)!;
  world.write("d/grown", "more text");
  world.write("new", "text");
  Deno.renameSync(`${world.path}/new`, `${world.path}/d/replaced`);
  Deno.removeSync(`${world.path}/d/linked`);
  Deno.symlinkSync("same", `${world.path}/d/linked`);
  for (
    const [name, isUnchanged] of [["grown", false], ["replaced", false], ["same", true]] as const
  ) {
    using opened = find(name).open();
    assert.equal(opened.isUnchanged(), isUnchanged, name);
  }
  assert.throws(() => find("linked").open(), {
    kind: "usage",
    message: /a part of its name is a link/,
  });
  Deno.removeSync(`${world.path}/d/same`);
  assert.throws(() => find("same").open(), { kind: "usage", message: /it is not there/ });
});
