import assert from "node:assert/strict";
import { test } from "../check.ts";
import { selfSigned } from "../suite/certificates.ts";
import { bridgedHosts } from "../networks.ts";
import { ttunCommand } from "./forward_pair.ts";
import { type Machine, machine, MESH_ENV } from "./mesh_machine.ts";

const READY_MS = 40_000;
const TARGET = new URL("gateway_target.mjs", import.meta.url).pathname;

/** Asks again and again until the answer is right. */
async function until(what: string, isRight: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + READY_MS; Date.now() < end;) {
    if (await isRight()) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  assert.fail(`it did not come about: ${what}`);
}

test("a visitor at any node reaches an agent that is linked to others, also when one is killed", async () => {
  await using stack = new AsyncDisposableStack();
  const { server, clients } = stack.use(await bridgedHosts(3));
  const hosts = [server, ...clients];
  const laptop = hosts[3]!;
  const nodes: Machine[] = [];
  for (const [i, host] of hosts.slice(0, 3).entries()) {
    nodes.push(stack.use(await machine(`n${i}`, host)));
  }
  const [first, second, third] = nodes as [Machine, Machine, Machine];
  // An agent goes to one gateway of a host: the second node gets none.
  const places = ["a", "a", "b"].map((host, i) => `--host ${host} --advertise 192.0.2.${i + 1}`);
  const gateway = ["--gateway", "443", "--apex", "example.test"];
  assert.equal((await first.mesh(`init ${places[0]}`)).code, 0);
  const victim = await first.node(...gateway);
  const wish = JSON.stringify({
    host: "",
    roles: ["node", "gateway"],
    lifetimeMs: 3600_000,
    uses: 2,
  });
  const { invite } = JSON.parse((await first.ask("/v1/invites", "-d", wish)).body);
  for (const [i, node] of [second, third].entries()) {
    const joined = await node.mesh(`join ${places[i + 1]}`, { env: { TTUN_INVITE: invite } });
    assert.equal(joined.code, 0, joined.stderr);
  }
  stack.use(await second.node(...gateway));
  stack.use(await third.node(...gateway));

  const agentData = `${first.data}-agent`;
  const agent = (...words: string[]) => ttunCommand("mesh", ...words, "--data", agentData);
  const token = (await first.mesh("invite --names shop,raw,sealed")).stdout.trim();
  const [enroll, enrollArgs] = agent("enroll", "example.test", "--at", "192.0.2.1");
  const env = { ...MESH_ENV, TTUN_INVITE: token };
  const enrolled = await laptop.run(enroll, enrollArgs, { env });
  assert.equal(enrolled.code, 0, enrolled.stderr);
  const service = stack.use(laptop.spawn("node", [TARGET]));
  await service.waitFor(/listening/, READY_MS);
  const key = `${first.data}-key`;
  const added = await laptop.run(...agent("access", "raw", "add", "ann", "--out", key));
  assert.equal(added.code, 0, added.stderr);
  const [publish, publishArgs] = agent("publish", "shop=8080", "raw=tcp://127.0.0.1:8080");
  const published = stack.use(laptop.spawn(publish, publishArgs, { env: MESH_ENV }));
  await published.waitFor(/ Linked +gateway=192\.0\.2\.1:443/, READY_MS);
  await published.waitFor(/ Linked +gateway=192\.0\.2\.3:443/, READY_MS);

  const ask = async (path: string, ...args: string[]) => {
    const to = ["--resolve", "shop.example.test:443:192.0.2.2", "--cacert", `${first.data}/ca.crt`];
    const all = ["-sS", "--max-time", "20", ...to, ...args, `https://shop.example.test${path}`];
    const { stdout, stderr } = await laptop.run("curl", all);
    return stdout + stderr;
  };
  await until("the second node knows the name", async () => /"url":"\/x"/.test(await ask("/x")));
  const answer = JSON.parse(await ask("/y"));
  assert.equal(answer.headers["x-forwarded-for"], "192.0.2.4");
  assert.equal(await ask("/echo", "--data-binary", `@${TARGET}`, "-o", "/dev/null"), "");
  const connect = async (path: string) => {
    const at = ["--at", "192.0.2.2", "--ca", `${first.data}/ca.crt`, "--access-file", key];
    const [program, args] = ttunCommand("mesh", "connect", "raw.example.test", ...at);
    const stdin = { text: `GET ${path} HTTP/1.0\r\n\r\n` };
    const { stdout, stderr } = await laptop.run(program, args, { env: MESH_ENV, stdin });
    return stdout + stderr;
  };
  assert.match(await connect("/raw"), /"url":"\/raw"/);
  // TLS that is the agent's to end goes through two nodes, and a ticket counts at all of them.
  using own = selfSigned("DNS:sealed.example.test");
  const files = ["--tls-cert", own.cert, "--tls-key", own.key];
  const words = agent("publish", "8080", "--name", "sealed", "--passthrough", ...files);
  const sealed = stack.use(laptop.spawn(...words, { env: MESH_ENV }));
  await sealed.waitFor(/ Linked +gateway=192\.0\.2\.1:443/, READY_MS);
  const curl = "curl -sS --max-time 20 --resolve sealed.example.test:443:192.0.2.2";
  await until("the second node knows it", async () => {
    const said = await laptop.sh(
      `${curl} --cacert ${own.cert} https://sealed.example.test/s || true`,
    );
    return /"url":"\/s"/.test(said);
  });
  const resumed = async (node: string, how: string) => {
    const at = `-connect ${node}:443 -servername shop.example.test -CAfile ${first.data}/ca.crt`;
    const request = "printf 'GET / HTTP/1.0\\r\\nHost: shop.example.test\\r\\n\\r\\n'";
    const client = `openssl s_client -ign_eof ${at} ${how} ${first.data}-session`;
    return await laptop.sh(`${request} | ${client} 2>&1`);
  };
  assert.match(await resumed("192.0.2.2", "-sess_out"), /^New, TLSv1\.3/m);
  assert.match(await resumed("192.0.2.3", "-sess_in"), /^Reused, TLSv1\.3/m);
  victim.signal("SIGKILL");
  await victim.status;
  assert.match(await ask("/z"), /"url":"\/z"/); // by the third node, at once
  assert.match(await connect("/after"), /"url":"\/after"/);
  published.signal("SIGTERM");
  assert.equal((await published.status).code, 0);
  // The killed node's route is there for a while.
  const isGone = async () => /no service at|does not answer/.test(await ask("/"));
  await until("the name is withdrawn", isGone);
});
