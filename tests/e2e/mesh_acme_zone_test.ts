import assert from "node:assert/strict";
import { test } from "../check.ts";
import { hasPebble, startPebble } from "../pebble.ts";
import { machine } from "./mesh_machine.ts";

const READY_MS = 40_000;
const RESOLVER = new URL("cname_resolver.ts", import.meta.url).pathname;

test({
  name: "an apex whose DNS is elsewhere is proved by one record there, which leads to the nodes",
  ignore: !hasPebble,
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const one = stack.use(await machine("one"));
    const alias = "_acme-challenge.example.test=_acme-challenge.proof.test";
    const args = ["run", "-A", "--unstable-net", "--lock=tests/deno.lock", RESOLVER];
    const resolver = stack.use(
      one.host.spawn(Deno.execPath(), [...args, "127.0.0.2", "127.0.0.1", alias]),
    );
    await resolver.waitFor(/answering/, READY_MS);
    const place = { address: "127.0.0.1", port: 14000, dns: "127.0.0.2:53" };
    const pebble = stack.use(await startPebble(one.host, place));
    const at = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
    assert.equal((await one.mesh(`init ${at}`)).code, 0);
    const node = stack.use(
      await one.node(
        ...["--gateway", "127.0.0.1:8443", "--apex", "example.test"],
        ...["--dns", "127.0.0.1:53", "--acme-zone", "proof.test", "--acme", "a@example.test"],
        ...["--acme-directory", pebble.directory, "--acme-ca", pebble.ca],
      ),
    );
    await node.waitFor(/There is a new certificate/, READY_MS);
  },
});
