import assert from "node:assert/strict";
import { test } from "../check.ts";
import { machine } from "../e2e/mesh_machine.ts";
import { hasPebble, startPebble } from "../pebble.ts";

const READY_MS = 60_000;

test({
  name:
    "a certificate of a minute is renewed again and again, and every visitor meets one that is good",
  ignore: !hasPebble,
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const one = stack.use(await machine("one"));
    const pebble = stack.use(
      await startPebble(one.host, {
        ...{ address: "127.0.0.1", port: 14000, dns: "127.0.0.1:53" },
        validity: 60,
      }),
    );
    const place = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
    assert.equal((await one.mesh(`init ${place}`)).code, 0);
    const node = stack.use(
      await one.node(
        ...["--gateway", "127.0.0.1:8443", "--apex", "example.test", "--dns", "53"],
        ...["--acme", "admin@example.test", "--acme-directory", pebble.directory],
        ...["--acme-ca", pebble.ca],
      ),
    );
    await node.waitFor(/There is a new certificate/, READY_MS);
    const root = `${one.data}-root.pem`;
    await Deno.writeTextFile(root, await pebble.root());
    const to = ["s_client", "-connect", "127.0.0.1:8443", "-servername", "a.example.test"];
    const verify = ["-CAfile", root, "-verify_return_error", "-verify_hostname", "a.example.test"];
    const seen = new Set<string>();
    const end = Date.now() + 200_000;
    while (seen.size < 4) {
      const { code, stdout, stderr } = await one.host.run("openssl", [...to, ...verify], {
        stdin: { text: "" },
      });
      assert.equal(code, 0, stdout + stderr);
      seen.add(/-----BEGIN CERTIFICATE-----[^-]+/.exec(stdout)![0]);
      assert(Date.now() < end, `${seen.size} certificates in 200 s`);
      await new Promise((wake) => setTimeout(wake, 500));
    }
    assert.doesNotMatch(node.output, / error /);
  },
});
