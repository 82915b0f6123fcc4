import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ttunCommand } from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";
import { ENV, run } from "./proxy_pair.ts";

const NO_KEY = { ...ENV, TTUN_KEY: "" };

test("keys are added, listed, shared and revoked in a file that stays its owner's alone", async () => {
  await using folder = await makeFolder();
  const file = `${folder.path}/keys`;
  const ttun = async (...args: string[]) => {
    const [command, all] = ttunCommand(...args);
    return await run(command, all, { env: NO_KEY });
  };
  const key = (...args: string[]) => ttun("key", ...args, "--key-file", file);
  for (const name of ["ann", "bob"]) {
    const { code, stdout, stderr } = await key("add", name);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`ttun share HOST --client ${name} `));
  }
  assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  assert.equal((await key("list")).stdout, "ann\nbob\n");
  const lines = Deno.readTextFileSync(file).trimEnd().split("\n");
  assert.match(lines[1]!, /^ann:[\w-]{43}$/);
  assert.equal(
    (await key("add", "dan", "--address", "10.9.0.7/24", "--network", "10.7.0.9/16")).code,
    0,
  );
  assert.match(
    Deno.readTextFileSync(file),
    /^dan:[\w-]{43} address=10\.9\.0\.7 network=10\.7\.0\.0\/16$/m,
  );
  assert.equal((await key("revoke", "dan")).code, 0);
  const link = `${folder.path}/link`;
  const shared = await ttun(
    ..."share h.example --client bob".split(" "),
    "--key-file",
    file,
    "-o",
    link,
  );
  assert.equal(shared.code, 0, shared.stderr);
  assert(Deno.readTextFileSync(link).includes(lines[2]!.slice("bob:".length)));
  assert.match((await key("add", "ann")).stderr, /there is one already/);
  assert.equal((await key("revoke", "ann")).code, 0);
  assert.equal((await key("list")).stdout, "bob\n");
  const last = await key("revoke", "bob");
  assert.deepEqual([last.code, (await key("list")).stdout], [2, "bob\n"]);
  assert.match(last.stderr, /this is the last one/);
  Deno.writeTextFileSync(`${file}.ttun-new`, "");
  assert.match((await key("add", "cat")).stderr, /another ttun changes it/);
  Deno.chmodSync(file, 0o644);
  assert.match((await key("list")).stderr, /run chmod 600/);
});

test("a key or a link for which the disk has no room leaves no file; a folder that is not there is told", async () => {
  await using folder = await makeFolder();
  const [ttun, words] = ttunCommand();
  const script = `
    mount -t tmpfs -o size=4k none "$0"
    cd "$0"
    echo server >key && chmod 600 key
    "$@" key add ann --key-file keys; echo "$?"
    "$@" share h.example --key-file key --out link; echo "$?"
    "$@" key add ann --key-file none/keys; echo "$?"
    ls`;
  const { stdout, stderr } = await run(
    "unshare",
    ["-m", "sh", "-c", script, folder.path, ttun, ...words],
    { env: NO_KEY },
  );
  assert.equal(stdout, "12\n12\n2\nkey\n", stderr);
  assert.match(stderr, /Cannot change keys: the disk is full/);
  assert.match(stderr, /Cannot write link: the disk is full/);
  assert.match(
    stderr,
    /Cannot change none\/keys: there is no such folder; make it: mkdir -p none\n/,
  );
});
