import assert from "node:assert/strict";
import { parseArgs } from "../src/cli/command/args.ts";
import { SERVER_OPTIONS } from "../src/cli/tun/options.ts";

const read = (name: string) =>
  Deno.readTextFileSync(new URL(`container/${name}`, import.meta.url).pathname);

Deno.test("the container's commands are ttun's, with options that it has", () => {
  const dockerfile = read("Dockerfile");
  assert.match(dockerfile, /^ENTRYPOINT \["\/usr\/bin\/ttun"\]$/m);
  assert.match(dockerfile, /^CMD \["server"\]$/m);
  assert.match(dockerfile, /^HEALTHCHECK .* CMD \["\/usr\/bin\/ttun", "status"\]$/m);
  const compose = read("compose.yaml");
  const [first, ...args] = /^ +command: \[(.*)\]$/m.exec(compose)![1]!.split(", ");
  assert.equal(first, "server");
  assert.equal(parseArgs(SERVER_OPTIONS, args).help, false);
});

Deno.test("the container has the device and the one right that it needs, and no key in it", () => {
  const compose = read("compose.yaml");
  for (const line of ["cap_drop: [ALL]", "cap_add: [NET_ADMIN]", "devices: [/dev/net/tun]"]) {
    assert.ok(compose.includes(line), line);
  }
  assert.doesNotMatch(compose, /TTUN_KEY|privileged|network_mode: host/);
});
