import assert from "node:assert/strict";
import { isKnown, remember } from "./known_servers.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

function inFolder(work: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const refusal = (directory: string, reason: string) =>
  `cannot write into ${directory}: ${reason}; set STATE_DIRECTORY to a directory that ttun may ` +
  "write to";

Deno.test("what is remembered is known, once, and to its user alone", () => {
  inFolder((folder) => {
    const directory = `${folder}/a/b`;
    assert.equal(isKnown(directory, TOKEN), false);
    for (let i = 0; i < 2; i++) assert.equal(remember(directory, TOKEN), null);
    assert.equal(remember(directory, "another"), null);
    assert.deepEqual([TOKEN, "another"].map((token) => isKnown(directory, token)), [true, true]);
    assert.equal(isKnown(directory, TOKEN.slice(1)), false);
    const path = `${directory}/version2-servers`;
    assert.equal(Deno.readTextFileSync(path), `${TOKEN}\nanother\n`);
    if (Deno.build.os === "windows") return;
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(directory).mode! & 0o777, 0o700);
  });
});

Deno.test("a file that has grown without end loses its oldest lines", () => {
  inFolder((folder) => {
    const path = `${folder}/version2-servers`;
    const lines = Array.from({ length: 31_000 }, (_, i) => `${i}`.padStart(32, "0"));
    Deno.writeTextFileSync(path, lines.join("\n") + "\n");
    assert.equal(remember(folder, TOKEN), null);
    assert.deepEqual([lines[0]!, lines.at(-1)!, TOKEN].map((token) => isKnown(folder, token)), [
      false,
      true,
      true,
    ]);
    assert.ok(Deno.statSync(path).size <= (1 << 19) + 33);
  });
});

Deno.test("a directory that cannot be used is a sentence of ttun's own, and nothing stays of the try", () => {
  inFolder((folder) => {
    const file = `${folder}/file`;
    Deno.writeTextFileSync(file, "");
    assert.equal(remember(file, TOKEN), refusal(file, "that is a file"));
    const below = `${file}/state`;
    assert.equal(remember(below, TOKEN), refusal(below, "what it is to be in is no directory"));
    const taken = `${folder}/taken`;
    Deno.mkdirSync(`${taken}/version2-servers`, { recursive: true });
    const reason = "version2-servers in it is a directory";
    assert.equal(remember(taken, TOKEN), refusal(taken, reason));
    assert.deepEqual([...Deno.readDirSync(taken)].map(({ name }) => name), ["version2-servers"]);
    const long = `${folder}/${"x".repeat(300)}`;
    const code = "the operating system refuses it (ENAMETOOLONG)";
    assert.equal(remember(long, TOKEN), refusal(long, code));
  });
});

Deno.test({
  name: "a directory that Deno keeps for those with all permissions is refused in ttun's words",
  ignore: Deno.build.os !== "linux",
  permissions: { read: true, write: true },
  fn() {
    const directory = "/dev/null/none";
    assert.equal(remember(directory, TOKEN), refusal(directory, "Deno does not let ttun do it"));
  },
});
