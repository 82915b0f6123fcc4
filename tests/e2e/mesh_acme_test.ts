import assert from "node:assert/strict";
import { test } from "../check.ts";
import { hasPebble, startPebble } from "../pebble.ts";
import type { Process } from "../netns.ts";
import { type Machine, machine } from "./mesh_machine.ts";

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
    pebble.process.signal("SIGSTOP");
    const node = stack.use(
      await one.node(
        ...["--gateway", "127.0.0.1:8443", "--apex", "example.test", "--dns", "53"],
        ...["--acme", "admin@example.test", "--acme-directory", pebble.directory],
        ...["--acme-ca", pebble.ca, "--acme-account-file", account],
      ),
    );
    // Its authority is not known yet.
    const first = stack.use(visit(one, "early.example.test", "-k", "-v"));
    await first.waitFor(/Client hello/, READY_MS);
    assert.doesNotMatch(first.output, /Server hello/);
    pebble.process.signal("SIGCONT");
    await node.waitFor(/There is a new certificate/, READY_MS);
    assert.equal((await first.status).code, 0, first.output);
    assert.match(first.output, /no service at/);
    assert.match(first.output, /issuer: CN=Pebble/);
    assert.match(
      (await one.mesh("status")).stdout,
      /^public {7}example\.test, until \d{4}-\d\d-\d\d \d\d:\d\d UTC$/m,
    );
    const metrics = (await one.ask("/metrics")).body;
    assert.match(metrics, /^ttun_mesh_certificate_end_seconds\{name="example\.test"\} \d{10}$/m);
    assert.match(metrics, /^ttun_mesh_certificate_failures\{name="example\.test"\} 0$/m);
    assert.doesNotMatch(node.output, / warn /);
    const root = `${one.data}-root.pem`;
    await Deno.writeTextFile(root, await pebble.root());
    for (const host of ["example.test", "shop.example.test"]) {
      await using curl = visit(one, host, "--cacert", root);
      assert.equal((await curl.status).code, 0, curl.output);
    }
  },
});

/** Starts curl for a host of the gateway. */
function visit({ host }: Machine, name: string, ...args: string[]): Process {
  const to = ["-sS", "--max-time", "60", "--resolve", `${name}:8443:127.0.0.1`];
  return host.spawn("curl", [...to, ...args, `https://${name}:8443/`]);
}
