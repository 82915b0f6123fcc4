import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { parseArgs } from "../command/args.ts";
import { NODES } from "./nodes.ts";
import { TOX_OPTIONS, TOX_SSH_OPTIONS } from "./options.ts";

const ID = "56A1ADE4B65B86BCD51CC73E2CD4E542179F47959FE3E0E21B4B0ACDADE51855D34D34D37CB5";

function read(...args: string[]) {
  const parsed = parseArgs(TOX_OPTIONS, args);
  assert.ok(!parsed.help);
  return parsed;
}

Deno.test("tuntox's letters mean what they mean to it", () => {
  const { values, secrets } = read(
    ...["-i", ID, "-L", "2222:127.0.0.1:22", "-L", "8080@example.net@80", "-D", "1080"],
    ...["-C", "/data", "-s", "secret", "-f", "rules", "-I", "id", "-t", "443"],
    ...["-u", "33446:33450", "-b", "nodes.json", "-d"],
  );
  assert.equal(values.id?.length, 1);
  const [ssh, web] = values.local!;
  assert.deepEqual(ssh!.listen, { host: null, port: 2222 });
  assert.deepEqual(ssh!.to, { host: "127.0.0.1", port: 22 });
  assert.deepEqual(web!.to, { host: "example.net", port: 80 });
  assert.deepEqual(values.udpPorts, { first: 33446, last: 33450 });
  assert.equal(values.relayPort, 443);
  assert.equal(values.verbose, true);
  assert.deepEqual(secrets, [{ index: 11, start: 0 }]);
  assert.equal(read("-i", ID, "-p").values.ping, true);
  assert.deepEqual(read("-W", "127.0.0.1@22").values.stdio, { host: "127.0.0.1", port: 22 });
  assert.deepEqual(read("-u", "4000").values.udpPorts, { first: 4000, last: 4000 });
});

for (
  const args of [
    ["-L", "5353:127.0.0.1:53/udp"],
    ["-L", "2222:/run/socket"],
    ["-W", "/run/socket"],
    ["-u", "5000:4000"],
    ["-p", "-W", "127.0.0.1:22"],
    ["-u", "0"],
    ["-u", "1:65536"],
    ["-t", "65536"],
    ["-i", ID.slice(1)],
    ["-q", "-d"],
  ]
) {
  Deno.test(`${args.join(" ")} is refused`, () => {
    assert.throws(
      () => parseArgs(TOX_OPTIONS, args),
      (error) => error instanceof TtunError && error.kind === "usage",
    );
  });
}

Deno.test("each node of the list has a whole key", () => {
  for (const { publicKey, port } of NODES) {
    assert.equal(publicKey.length, 32);
    assert.ok(port > 0);
  }
  assert.equal(new Set(NODES.map(({ publicKey }) => publicKey.join())).size, NODES.length);
});

Deno.test("what begins with a dash is no destination of ssh", () => {
  const parsed = parseArgs(TOX_SSH_OPTIONS, ["-v", "root@home", "-oUser=x", "--", "ls"]);
  assert.ok(!parsed.help);
  assert.deepEqual(parsed.values.destination, ["root@home", "-oUser=x", "--", "ls"]);
  const wrong = ["--", "-oProxyCommand=x@home"];
  assert.throws(() => parseArgs(TOX_SSH_OPTIONS, wrong), /write NAME or USER@NAME/);
});
