import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ttunCommand } from "./forward_pair.ts";
import { gatewayLab, type Lab, READY_MS } from "./mesh_gateway_lab.ts";
import { MESH_ENV } from "./mesh_machine.ts";

test("an agent tells why a name is not reached, has metrics and QR codes, and ends when its time is over", async () => {
  await using lab = await gatewayLab();
  const { host, data } = lab.one;
  await lab.enroll("laptop", "*");
  // No other agent that runs in the meantime has this name.
  const name = `agent-${Deno.pid}`;
  const words = `shop=8080 gone=1 --metrics 9300 --status-name ${name} --qr`;
  await using agent = await lab.publish("laptop", words);
  await agent.waitFor(/^https:\/\/gone\.example\.test:8443\/\n\n[█▀▄ \n]{300,}$/m, READY_MS);
  assert.match(await lab.curl("shop", "/"), /"url":"\/"/);
  assert.match(await lab.curl("gone", "/", "-w", "%{http_code}"), /502$/);
  // A machine without a node.
  const [program, args] = ttunCommand("mesh", "status", "--json", "--data", `${data}-none`);
  const status = async () => {
    const { stdout, stderr } = await host.run(program, args, { env: MESH_ENV });
    const all = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
    return all.find((report) => report.name === name)?.agent ?? assert.fail(stderr);
  };
  const before = await status();
  assert.equal(before.apex, "example.test");
  assert.deepEqual(before.gateways, [{ at: "127.0.0.1:8443", isUp: true }]);
  const [shop, gone] = before.services;
  assert.equal(shop.fault, undefined);
  assert.deepEqual(shop.answers, { "2xx": 1 });
  assert.match(gone.fault, /^the service did not answer the last request: /);
  const { stdout: metrics } = await host.run("curl", ["-s", "http://127.0.0.1:9300/metrics"]);
  assert.match(metrics, /^ttun_service_requests_total\{service="shop",status="2xx"\} 1$/m);
  assert.match(metrics, /^ttun_service_reachable\{service="gone"\} 0$/m);
  assert.match(metrics, /^ttun_agent_gateways 1$/m);
  lab.node.signal("SIGKILL");
  while ((await status()).services[0].fault === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.match((await status()).services[0].fault, /^there is no link to a gateway: /);
  agent.signal("SIGTERM");
  assert.equal((await agent.status).code, 0);
  await using again = await lab.one.node(
    ...["--gateway", "127.0.0.1:8443", "--apex", "example.test", "--open"],
  );
  assert(again.pid > 0);
  const pid = `${data}-pid`;
  const inBackground = `publish shop=8080 --daemon --pid ${pid}`;
  const away = await lab.agent("laptop", inBackground, { TTUN_MESH_LOGINS: "ann:hush" });
  assert.equal(away.code, 0, away.stderr);
  assert.match(await lab.curl("shop", "/", "-w", "%{http_code}"), /401$/);
  assert.match(await lab.curl("shop", "/", "-u", "ann:hush"), /"url":"\/"/);
  await host.sh(`kill $(cat ${pid}); while [ -e ${pid} ]; do sleep 0.1; done`);
  const over = await lab.agent("laptop", "publish shop=8080 --expire 2s");
  assert.match(over.stderr, /The time is over/);
  assert.equal(over.code, 0);
  assert.match(await lab.curl("shop", "/", "-w", "%{http_code}"), /404$/);
  await letsStrangersIn(lab);
});

/** Without an invite, by work; and an invite may be for some kinds of services alone. */
async function letsStrangersIn(lab: Lab): Promise<void> {
  const { one, one: { data } } = lab;
  const at = `enroll example.test --at 127.0.0.1:8443 --ca ${data}/ca.crt`;
  const enrolled = await lab.agent("stranger", `${at} --open`);
  assert.equal(enrolled.code, 0, enrolled.stderr);
  await using _agent = await lab.publish("stranger", "8080 --name own");
  assert.match(await lab.curl("own", "/"), /"url":"\/"/);
  const taken = await lab.agent("stranger", "publish tcp://127.0.0.1:8080 --public --name other");
  assert.match(taken.stderr, /enrolled for services of http, tls, link, and this is one of tcp/);
  assert.equal(taken.code, 3);
  const { stdout } = await one.mesh("invite --names * --kinds link");
  const env = { TTUN_INVITE: stdout.trim() };
  assert.equal((await lab.agent("keyed", at, env)).code, 0);
  const refused = await lab.agent("keyed", "publish 8080 --name web");
  assert.match(refused.stderr, /enrolled for services of link, and this is one of http/);
}
