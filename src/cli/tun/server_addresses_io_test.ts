import assert from "node:assert/strict";
import { keepAddress, lastAddress } from "./server_addresses.ts";

const token = (i: number) => `${i}`.padStart(32, "0");

function inFolder(work: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a server's last address is kept, for its user alone", () => {
  inFolder((folder) => {
    const directory = `${folder}/state`;
    assert.equal(lastAddress(directory, token(1)), null);
    for (const address of ["192.0.2.1", "192.0.2.1", "2001:db8::7"]) {
      assert.equal(keepAddress(directory, token(1), address), null);
      assert.equal(keepAddress(directory, token(2), "192.0.2.2"), null);
      assert.equal(lastAddress(directory, token(1)), address);
    }
    assert.equal(lastAddress(directory, token(2)), "192.0.2.2");
    const path = `${directory}/server-addresses`;
    assert.equal(
      Deno.readTextFileSync(path),
      `${token(1)} 2001:db8::7\n${token(2)} 192.0.2.2\n`,
    );
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});

Deno.test("of many servers those met last are kept, and a line that is no address is none", () => {
  inFolder((folder) => {
    for (let i = 0; i < 300; i++) keepAddress(folder, token(i), "192.0.2.1");
    assert.deepEqual([43, 44, 299].map((i) => lastAddress(folder, token(i))), [
      null,
      "192.0.2.1",
      "192.0.2.1",
    ]);
    Deno.writeTextFileSync(`${folder}/server-addresses`, `${token(7)} evil.example\n${token(8)}\n`);
    assert.deepEqual([7, 8].map((i) => lastAddress(folder, token(i))), [null, null]);
  });
});
