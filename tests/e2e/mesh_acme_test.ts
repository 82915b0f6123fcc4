import assert from "node:assert/strict";
import { test } from "../check.ts";
import { hasPebble, startPebble } from "../pebble.ts";
import { machine } from "./mesh_machine.ts";

const READY_MS = 40_000;

test({
  name: "a node gets its certificates from a public authority",
  ignore: !hasPebble,
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const one = stack.use(await machine("one"));
    const pebble = stack.use(
      await startPebble(one.host, {
        ...{ address: "127.0.0.1", port: 14000, dns: "127.0.0.1:53", refusedNonces: 20 },
        external: { "kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" },
      }),
    );
    const place = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
    assert.equal((await one.mesh(`init ${place}`)).code, 0);
    const account = `${one.data}-account`;
    await one.host.sh(
      `umask 077; echo kid-1 zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W >${account}`,
    );
    const node = stack.use(
      await one.node(
        ...["--gateway", "127.0.0.1:8443", "--apex", "example.test", "--dns", "53"],
        ...["--acme", "admin@example.test", "--acme-directory", pebble.directory],
        ...["--acme-ca", pebble.ca, "--acme-account-file", account],
      ),
    );
    await node.waitFor(/There is a new certificate/, READY_MS);
    const metrics = (await one.ask("/metrics")).body;
    assert.match(metrics, /^ttun_mesh_certificate_end_seconds\{name="example\.test"\} \d{10}$/m);
    assert.match(metrics, /^ttun_mesh_certificate_failures\{name="example\.test"\} 0$/m);
    assert.doesNotMatch(node.output, / warn /);
    const root = `${one.data}-root.pem`;
    await Deno.writeTextFile(root, await pebble.root());
    for (const host of ["example.test", "shop.example.test"]) {
      const to = ["-sS", "--resolve", `${host}:8443:127.0.0.1`, "--cacert", root];
      const { stdout, stderr } = await one.host.run("curl", [...to, `https://${host}:8443/`]);
      assert.match(stdout, /./, stderr);
    }
  },
});
