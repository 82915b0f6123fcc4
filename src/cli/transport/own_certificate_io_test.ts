import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "../../../tests/check.ts";
import { keptLog } from "../../../tests/fake/log.ts";
import { DenoClock } from "../../io/reactor/deno_clock.ts";
import { OWN_NAME, ownCertificate } from "./own_certificate.ts";

const DAY_MS = 86_400_000;

/** Runs with a state directory of its own, or with one that cannot be. */
async function withState(
  run: (directory: string) => void,
  choose: (folder: string) => string = (folder) => folder,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("STATE_DIRECTORY");
  const directory = choose(folder);
  Deno.env.set("STATE_DIRECTORY", directory);
  try {
    run(directory);
  } finally {
    if (before === undefined) Deno.env.delete("STATE_DIRECTORY");
    else Deno.env.set("STATE_DIRECTORY", before);
    await Deno.remove(folder, { recursive: true });
  }
}

function make(nowMs = Date.now()) {
  const { log, records } = keptLog(new DenoClock());
  return { ...ownCertificate(nowMs, log), records };
}

test("a server's own certificate is made once, for its name, and is nobody else's to read", async () => {
  await withState((directory) => {
    const first = make();
    const read = new X509Certificate(first.cert);
    assert.equal(read.subjectAltName, `DNS:${OWN_NAME}`);
    assert.equal(read.ca, false);
    assert.ok(read.verify(read.publicKey));
    assert.deepEqual(first.records, []);
    assert.deepEqual(make(), first);
    assert.equal(Deno.statSync(`${directory}/quic-server.pem`).mode! & 0o777, 0o600);
    assert.equal(Deno.readTextFileSync(`${directory}/quic-cert.pem`), first.cert);
  });
});

test("one that is damaged, is about to end or from the future is replaced", async () => {
  await withState((directory) => {
    const { cert } = make();
    Deno.writeTextFileSync(`${directory}/quic-server.pem`, "-----BEGIN NONSENSE-----");
    const second = make();
    assert.notEqual(second.cert, cert);
    const late = make(Date.now() + 3630 * DAY_MS);
    assert.notEqual(late.cert, second.cert);
    assert.notEqual(make().cert, late.cert);
  });
});

test("where it cannot be kept the log says so, and each run has another", async () => {
  await withState(() => {
    const first = make();
    assert.match(first.records[0]!.message, /for this run alone/);
    assert.notEqual(make().cert, first.cert);
  }, (folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    return `${folder}/file/none`;
  });
});
