import assert from "node:assert/strict";
import { test } from "../check.ts";
import { bridgedHosts } from "../networks.ts";
import { hasPebble, startPebble } from "../pebble.ts";
import { until } from "./mesh_cluster.ts";
import { type Machine, machine } from "./mesh_machine.ts";

const READY_MS = 60_000;

test({
  name:
    "a node that dies while it orders a certificate is followed by another, and all have the same",
  ignore: !hasPebble,
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const { server, clients } = stack.use(await bridgedHosts(3));
    const [second, third, authority] = clients as [typeof server, typeof server, typeof server];
    const nodes: Machine[] = [];
    for (const [i, host] of [server, second, third].entries()) {
      nodes.push(stack.use(await machine(`n${i}`, host)));
    }
    const [one, two, three] = nodes as [Machine, Machine, Machine];
    const pebble = stack.use(
      await startPebble(authority, { address: "192.0.2.4", port: 14000, dns: "192.0.2.1:53" }),
    );
    const place = (i: number) => `--host h${i} --advertise 192.0.2.${i}`;
    assert.equal((await one.mesh(`init ${place(1)}`)).code, 0);
    stack.use(await one.node("--apex", "example.test", "--dns", "192.0.2.1:53"));
    const wish = { host: "", roles: ["node", "gateway"], lifetimeMs: 3600_000, uses: 2 };
    const { invite } = JSON.parse(
      (await one.ask("/v1/invites", "-d", JSON.stringify(wish))).body,
    );
    for (const [i, node] of [two, three].entries()) {
      const { code, stderr } = await node.mesh(`join ${place(i + 2)}`, {
        env: { TTUN_INVITE: invite },
      });
      assert.equal(code, 0, stderr);
    }
    const gateway = [
      ...["--gateway", "443", "--apex", "example.test", "--acme", "admin@example.test"],
      ...["--acme-directory", pebble.directory, "--acme-ca", pebble.ca],
    ];
    const dies = await two.node(...gateway);
    await dies.waitFor(/A certificate is ordered/, READY_MS);
    pebble.process.signal("SIGSTOP"); // texts are told for a moment before it is asked to look
    dies.signal("SIGKILL");
    await dies.status;
    pebble.process.signal("SIGCONT");
    const follows = stack.use(await three.node(...gateway));
    await follows.waitFor(/There is a new certificate/, READY_MS);
    const again = stack.use(await two.node(...gateway));

    const root = `${one.data}-root.pem`;
    await Deno.writeTextFile(root, await pebble.root());
    const shown = async (address: string) => {
      const to = ["s_client", "-connect", `${address}:443`, "-servername", "any.example.test"];
      const verify = [
        "-CAfile",
        root,
        "-verify_return_error",
        "-verify_hostname",
        "x.example.test",
      ];
      const { stdout } = await authority.run("openssl", [...to, ...verify], {
        stdin: { text: "" },
      });
      return /-----BEGIN CERTIFICATE-----[^-]+/.exec(stdout)?.[0] ?? "none";
    };
    const certificate = await shown("192.0.2.3");
    assert.notEqual(certificate, "none");
    await until("the node that died has it", async () => await shown("192.0.2.2") === certificate);
    assert.doesNotMatch(again.output, /A certificate is ordered/);
    const { entries } = JSON.parse((await one.ask("/v1/kv/txt/?limit=10")).body);
    assert(entries.length <= 2); // those of the dead node vanish by themselves
  },
});
