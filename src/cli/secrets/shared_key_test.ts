import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { makeLogger } from "../../base/log.ts";
import { type Fake, FakeKeyEnvironment } from "./key_environment_fixture.ts";
import type { KeySource } from "./key_source.ts";
import { warnOfSharedKey } from "./shared_key.ts";

async function warnings(source: KeySource, keys: string[], fake: Fake = {}): Promise<string[]> {
  const logged: string[] = [];
  const host = new FakeKeyEnvironment(fake);
  const log = makeLogger((record) => logged.push(`${record.level} ${record.message}`), () => 0);
  const bytes = keys.map(utf8);
  await warnOfSharedKey({ key: bytes[0]!, source }, bytes, log, host);
  assert.equal(host.openFiles, 0, "a file stayed open");
  return logged;
}

Deno.test("a proxy with a tunnel's default key is warned of, once, and without the key", async () => {
  const home = { HOME: "/home/u" };
  const files = { "/etc/ttun/key": { content: "horse battery staple\n" } };
  const own = { "/home/u/.config/ttun/key": { content: "horse battery staple" } };
  for (
    const logged of [
      await warnings("default file", ["horse battery staple"], { env: home, files }),
      await warnings("--key-file", ["horse battery staple"], { env: home, files }),
      await warnings("-k", ["another", "horse battery staple"], { env: home, files: own }),
    ]
  ) {
    assert.equal(logged.length, 1);
    assert.match(logged[0]!, /^warn .*one SHA-256 a try.*--key-file/);
    assert.doesNotMatch(logged[0]!, /horse/);
  }
});

Deno.test("a key of the proxy's own is not warned of, whatever lies where keys are looked for", async () => {
  for (const content of ["another", "", "k", "horse battery staple2"]) {
    const files = { "/etc/ttun/key": { content } };
    assert.deepEqual(await warnings("--key-file", ["horse battery staple"], { files }), []);
  }
  assert.deepEqual(await warnings("TTUN_KEY", ["horse battery staple"]), []);
});
