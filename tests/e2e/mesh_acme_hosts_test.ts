import assert from "node:assert/strict";
import { test } from "../check.ts";
import { hasPebble, startPebble } from "../pebble.ts";
import { ttunCommand } from "./forward_pair.ts";
import { machine, MESH_ENV } from "./mesh_machine.ts";

const READY_MS = 40_000;
const TARGET = new URL("gateway_target.mjs", import.meta.url).pathname;
const RESOLVER = new URL("cname_resolver.ts", import.meta.url).pathname;
const LOCK = new URL("../deno.lock", import.meta.url).pathname;

/** Runs a command with another DNS server than the machine's. */
const WITH_DNS = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';

/** Key of a customer's account. */
const MAC = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

const HOSTS = ["www.custom.test", "shop.elsewhere.test"];

test({
  name:
    "hosts of others, and an apex whose DNS is elsewhere, are proved by a record that leads here",
  ignore: !hasPebble,
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const one = stack.use(await machine("one"));
    const { host, data } = one;
    const records = `${data}-records`;
    await Deno.writeTextFile(records, "_acme-challenge.example.test _acme-challenge.proof.test\n");
    await Deno.writeTextFile(`${data}-resolv`, "nameserver 127.0.0.2\n");
    const dns = ["run", "-A", "--unstable-net", `--lock=${LOCK}`, RESOLVER];
    const resolver = stack.use(
      host.spawn(Deno.execPath(), [...dns, "127.0.0.2", "127.0.0.1", records]),
    );
    await resolver.waitFor(/answering/, READY_MS);
    const where = { address: "127.0.0.1", port: 14000, dns: "127.0.0.2:53" };
    const pebble = stack.use(
      await startPebble(host, { ...where, refusedNonces: 20, external: { "kid-1": MAC } }),
    );
    await host.sh(`umask 077; echo kid-1 ${MAC} >${data}-account`);
    const at = "--host one --advertise 127.0.0.1:20204 --join-at 127.0.0.1:20205";
    assert.equal((await one.mesh(`init ${at}`)).code, 0);
    const [program, args] = ttunCommand(
      ...["mesh", "node", "--data", data, "--gateway", "127.0.0.1:8443", "--apex", "example.test"],
      ...["--dns", "127.0.0.1:53", "--acme-zone", "proof.test", "--acme", "a@example.test"],
      ...["--acme-directory", pebble.directory, "--acme-ca", pebble.ca],
      ...["--acme-account-file", `${data}-account`],
    );
    const shell = ["-m", "sh", "-c", WITH_DNS, `${data}-resolv`, program, ...args];
    pebble.process.signal("SIGSTOP");
    const node = stack.use(host.spawn("unshare", shell, { env: MESH_ENV }));
    await node.waitFor(/ Mesh node /, READY_MS);
    const visit = (name: string, ...more: string[]) => {
      const to = ["-sS", "--max-time", "60", "--resolve", `${name}:8443:127.0.0.1`];
      // A handshake has 15 s, which is not enough on a machine that has much else to do.
      const again = ["--retry", "5", "--retry-delay", "1", "--retry-all-errors"];
      return stack.use(host.spawn("curl", [...to, ...again, ...more, `https://${name}:8443/`]));
    };
    // It comes before the authority has said anything, and waits.
    const early = visit("early.example.test", "-kv");
    await early.waitFor(/Client hello/, READY_MS);
    assert.doesNotMatch(early.output, /Server hello/);
    pebble.process.signal("SIGCONT");
    await node.waitFor(
      /There is a new certificate +names="example.test \*.example.test"/,
      READY_MS,
    );

    assert.equal((await early.status).code, 0, early.output);
    assert.match(early.output, /issuer: CN=Pebble[^]*no service at/);

    const service = stack.use(host.spawn("node", [TARGET]));
    await service.waitFor(/listening/, READY_MS);
    const agent = (words: string) =>
      ttunCommand("mesh", ...words.split(" "), "--data", `${data}-laptop`);
    const invite = (await one.mesh("invite --names *")).stdout.trim();
    const [enroll, enrollArgs] = agent("enroll example.test --at 127.0.0.1:8443");
    const env = { ...MESH_ENV, TTUN_INVITE: invite };
    const enrolled = await host.run(enroll, enrollArgs, { env });
    assert.equal(enrolled.code, 0, enrolled.stderr);
    const [publish, publishArgs] = agent(
      `publish 8080 --name app ${HOSTS.map((one) => `--hostname ${one}`).join(" ")}`,
    );
    for (const name of HOSTS) {
      const refused = await host.run(publish, publishArgs, { env: MESH_ENV });
      const [, from, to] = /(_acme-challenge\S+) CNAME (\S+)/.exec(refused.stderr) ?? [];
      assert.equal(from, `_acme-challenge.${name}`, refused.stderr);
      assert.match(to!, /^[a-z2-7]{26}\._acme-challenge\.proof\.test$/);
      await Deno.writeTextFile(records, `${from} ${to}\n`, { append: true });
    }
    const published = stack.use(host.spawn(publish, publishArgs, { env: MESH_ENV }));
    await published.waitFor(/^https:\/\/shop\.elsewhere\.test:8443\/$/m, READY_MS);
    const root = `${data}-root.pem`;
    await Deno.writeTextFile(root, await pebble.root());
    // Nobody has asked for them before: the first visitors wait.
    const visits = [...HOSTS, ...HOSTS, "app.example.test"].map((name) =>
      visit(name, "--cacert", root)
    );
    for (const curl of visits) {
      assert.equal((await curl.status).code, 0, curl.output + node.output);
      assert.match(curl.stdout, /"host":/);
    }
    assert((node.output.match(/There is a new certificate/g) ?? []).length >= 3, "one for each");
    const { stdout } = await one.mesh("status");
    for (const name of ["example.test", ...HOSTS]) {
      assert.match(stdout, new RegExp(`^public +${name}, until \\d{4}-`, "m"));
    }
    const metrics = (await one.ask("/metrics")).body;
    assert.match(metrics, /^ttun_mesh_certificate_end_seconds\{name="example\.test"\} \d{10}$/m);
    assert.match(metrics, /^ttun_mesh_certificate_failures\{name="www\.custom\.test"\} 0$/m);
    assert.doesNotMatch(node.output, / error /);
  },
});
