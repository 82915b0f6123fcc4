import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { parseCidr } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import { MOST_LEASE_BYTES } from "../../core/ip/leases.ts";
import { keptIdentity } from "../tun/client_identity.ts";
import { LeaseFile } from "../tun/lease_file.ts";
import { makeStateFor, readState, writeState } from "./state_file.ts";

function inFolder(work: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const IS_WINDOWS = Deno.build.os === "windows";
const POOL = [parseCidr("10.9.0.0/24"), parseCidr("fd00:9::/64")];
const LEASES: Lease[] = [
  {
    owner: "a".repeat(32),
    key: "",
    isKept: true,
    name: "laptop",
    usedAt: 0,
    addresses: [POOL[0]!],
  },
];

Deno.test("a state file is whole, its owner's alone, and follows no link", () => {
  inFolder((folder) => {
    const other = `${folder}/other`;
    Deno.writeTextFileSync(other, "mine");
    if (!IS_WINDOWS) Deno.symlinkSync(other, `${folder}/file`);
    assert.equal(writeState(folder, "file", "one"), null);
    assert.equal(writeState(folder, "file", "two"), null);
    assert.equal(readState(folder, "file", 3), "two");
    assert.equal(readState(folder, "file", 2), "", "too long");
    assert.equal(Deno.readTextFileSync(other), "mine");
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).toSorted(), [
      "file",
      "other",
    ]);
    if (!IS_WINDOWS) assert.equal(Deno.statSync(`${folder}/file`).mode! & 0o777, 0o600);
  });
});

Deno.test("an identity is made once, and anew where it is none", () => {
  inFolder((folder) => {
    const directory = `${folder}/state`;
    const { secret, why } = keptIdentity(directory);
    assert.deepEqual([secret?.length, why], [32, null]);
    assert.equal(Deno.readTextFileSync(`${directory}/identity`), `${toHex(secret!)}\n`);
    assert.deepEqual(keptIdentity(directory).secret, secret);
    for (
      const garbage of ["", "x".repeat(64), "ab".repeat(31), "\0".repeat(64), "a".repeat(5000)]
    ) {
      Deno.writeTextFileSync(`${directory}/identity`, garbage);
      const next = keptIdentity(directory).secret;
      assert.equal(next?.length, 32);
      assert.deepEqual(keptIdentity(directory).secret, next);
    }
  });
});

Deno.test("where no identity can be kept, the reason is told", () => {
  inFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    assert.match(keptIdentity(`${folder}/file`).why!, /that is a file; set STATE_DIRECTORY/);
    Deno.mkdirSync(`${folder}/taken/identity`, { recursive: true });
    assert.match(keptIdentity(`${folder}/taken`).why!, /identity in it is a directory/);
    assert.match(keptIdentity(null).why!, /no HOME/);
  });
});

Deno.test("leases are read as they were written, each pool's from its own file", () => {
  inFolder((folder) => {
    const { log, records } = keptLog(new FakeClock());
    const file = new LeaseFile(folder, POOL, log);
    assert.deepEqual(file.read(), []);
    file.write(LEASES);
    assert.deepEqual(file.read().map(({ owner, name }) => [owner, name]), [
      ["a".repeat(32), "laptop"],
    ]);
    assert.deepEqual(new LeaseFile(folder, [POOL[1]!], log).read(), []);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["leases-10.9.0.0-24"]);
    const six = new LeaseFile(folder, [POOL[1]!], log);
    six.write([]);
    assert.match(readState(folder, "leases-fd00-9---64", 1000), /^# ttun/);
    Deno.writeFileSync(`${folder}/leases-10.9.0.0-24`, new Uint8Array(MOST_LEASE_BYTES + 1));
    assert.deepEqual(file.read(), [], "what is too large is not read");
    assert.equal(records.length, 0);
    Deno.writeFileSync(`${folder}/leases-10.9.0.0-24`, crypto.getRandomValues(new Uint8Array(999)));
    assert.deepEqual(file.read(), []);
    // A line that was changed by hand, and is none any more, is told.
    file.write(LEASES);
    const path = `${folder}/leases-10.9.0.0-24`;
    const text = Deno.readTextFileSync(path);
    Deno.writeTextFileSync(path, `${text}\n  # mine\n${text.replace("10.9.0.0", "10.9.0.")}`);
    assert.equal(file.read().length, 1);
    const last = records.at(-1)!;
    assert.match(last.message, /addresses from before cannot be read/);
    assert.deepEqual(last.fields, { file: path, lines: 1 });
  });
});

Deno.test("leases that cannot be written are one line, until the reason is another", () => {
  inFolder((folder) => {
    const { log, records } = keptLog(new FakeClock());
    Deno.writeTextFileSync(`${folder}/file`, "");
    const file = new LeaseFile(`${folder}/file`, POOL, log);
    for (let i = 0; i < 3; i++) file.write(LEASES);
    assert.deepEqual(records.map(({ message }) => message), [
      "cannot keep the clients' addresses for after a restart",
    ]);
    assert.match(String(records[0]!.fields["why"]), /that is a file/);
    Deno.removeSync(`${folder}/file`);
    file.write(LEASES);
    assert.equal(file.read().length, 1);
  });
});

Deno.test({
  name: "no state is read of, or written for, another user of a common folder",
  ignore: skipWithoutRoot(),
  fn: () => {
    inFolder((folder) => {
      Deno.chmodSync(folder, 0o1777);
      const plant = (path: string) => {
        const args = ["-h", "65534", path];
        assert(new Deno.Command("chown", { args }).outputSync().success);
      };
      Deno.writeTextFileSync(`${folder}/file`, "theirs", { mode: 0o644 });
      plant(`${folder}/file`);
      assert.equal(readState(folder, "file", 100), "");
      assert.equal(writeState(folder, "file", "ours"), null);
      assert.equal(readState(folder, "file", 100), "ours");

      Deno.mkdirSync(`${folder}/target`);
      Deno.symlinkSync("target", `${folder}/link`);
      plant(`${folder}/link`);
      assert.match(
        writeState(`${folder}/link`, "file", "ours")!,
        /"\S+\/link" on the way belongs to user 65534; set STATE_DIRECTORY/,
      );
      makeStateFor(`${folder}/link/state`, { uid: 65534, gid: 65534 });
      assert.deepEqual([...Deno.readDirSync(`${folder}/target`)], []);

      // The directory that --user made for its user stays readable to root, who starts ttun again.
      makeStateFor(`${folder}/service`, { uid: 65534, gid: 65534 });
      assert.equal(readState(`${folder}/service`, "file", 9), "", "in a folder as /tmp not");
      Deno.chmodSync(folder, 0o755);
      Deno.writeTextFileSync(`${folder}/service/file`, "leases");
      plant(`${folder}/service/file`);
      assert.equal(readState(`${folder}/service`, "file", 9), "leases");
    });
  },
});

function skipWithoutRoot(): boolean {
  const isRoot = !IS_WINDOWS && Deno.uid() === 0;
  if (!isRoot) console.log("State in others' folders is not tested: only root can make them");
  return !isRoot;
}
