import assert from "node:assert/strict";
import { parseArgs } from "../command/args.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS } from "../tun/options.ts";
import { forwardsAlone } from "./conflicts.ts";

function server(...args: string[]): boolean {
  const parsed = parseArgs(SERVER_OPTIONS, args);
  assert.ok(!parsed.help);
  return forwardsAlone(parsed.values);
}

function client(...args: string[]): boolean {
  const parsed = parseArgs(CLIENT_OPTIONS, args);
  assert.ok(!parsed.help);
  return forwardsAlone(parsed.values);
}

Deno.test("ports that hop carry forwards and devices, of version 2 alone", () => {
  const refused = { kind: "usage", message: /--wire v1 and hop:\/\/.*need version 2/ };
  assert.equal(server("--no-tun", "-l", "hop://"), true);
  assert.equal(server("-l", "tcp://:7", "-l", "hop://"), false);
  assert.throws(() => server("-l", "tcp://:7", "-l", "hop://", "--wire", "v1"), refused);
  const to = ["-s", "hop://example.net"];
  for (const alone of [["-L", "8080:example.net:80"], ["-D", "1080"], ["--no-tun"]]) {
    assert.equal(client(...to, ...alone), true);
  }
  assert.equal(client(...to), false);
  assert.equal(client(...to, "-D", "1080", "--tun"), false);
  assert.throws(() => client(...to, "--wire", "v1"), refused);
});

Deno.test("a relay takes version 2 of the wire, and its rate takes a relay", () => {
  assert.equal(server("--no-tun", "--permit-relay", "--relay-rate", "1M"), true);
  const alone = { kind: "usage", message: /--relay-rate without --permit-relay/ };
  assert.throws(() => server("--no-tun", "--relay-rate", "1M"), alone);
  const old = { kind: "usage", message: /--wire v1 and --permit-relay exclude/ };
  assert.throws(() => server("--permit-relay", "--wire", "v1"), old);
});
