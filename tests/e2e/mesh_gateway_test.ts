import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "../check.ts";
import { selfSigned } from "../suite/certificates.ts";
import { gatewayLab, type Lab, READY_MS } from "./mesh_gateway_lab.ts";

const SOCKET = new URL("gateway_socket.mjs", import.meta.url).pathname;

test("a service is published at a name, which stays its agent's", async () => {
  await using lab = await gatewayLab();
  await lab.enroll("laptop", "shop");
  {
    await using agent = await lab.publish("laptop", "8080 --name shop");
    assert.match(agent.stdout, /^https:\/\/shop\.example\.test:8443\/$/m);
    const answer = JSON.parse(await lab.curl("shop", "/a%2Fb//../c?x=1", "--path-as-is"));
    assert.equal(answer.url, "/a%2Fb//../c?x=1");
    assert.equal(answer.headers.host, "shop.example.test:8443");
    assert.equal(answer.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(answer.headers["x-forwarded-proto"], "https");
    await passesAllKinds(lab, "--http1.1");
    await passesAllKinds(lab, "--http2");
    const sockets = await lab.one.host.sh(`node ${SOCKET} ${lab.one.data}/ca.crt`);
    assert.equal(sockets, "Upgrade: through and back\nUpgrade: through and back\n");
    assert.match(await lab.curl("other", "/", "-w", "%{http_code}"), /no service at .*404$/s);
    const wrong = await lab.curl("shop", "/", "-H", "Host: elsewhere.test", "-w", "%{http_code}");
    assert.match(wrong, /421$/);
    await leavesOthersAlone(lab);
    await isTrustedByBrowsers(lab);
    agent.signal("SIGTERM");
    assert.equal((await agent.status).code, 0);
  }
  assert.match(await lab.curl("shop", "/", "-w", "%{http_code}"), /no service at .*404$/s);
  await staysItsAgents(lab);
});

/** TLS for a name that is not the mesh's goes to the server that has it. */
async function leavesOthersAlone({ one: { host } }: Lab): Promise<void> {
  using web = selfSigned("DNS:web.test");
  const files = ["-cert", web.cert, "-key", web.key];
  await using server = host.spawn("openssl", ["s_server", "-accept", "8444", "-www", ...files]);
  await server.waitFor(/ACCEPT/, READY_MS);
  const to = ["-sS", "--resolve", "web.test:8443:127.0.0.1", "--cacert", web.cert];
  const { stdout, stderr } = await host.run("curl", [...to, "https://web.test:8443/"]);
  assert.match(stdout, /Ciphers supported/, stderr);
}

/** Its certificate has nothing but what browsers know, and their file is enough to trust it. */
async function isTrustedByBrowsers({ one: { host, data } }: Lab): Promise<void> {
  const known = "-sigalgs ECDSA+SHA256:RSA-PSS+SHA256 -groups P-256";
  const trust = `-CAfile ${data}/web-ca.crt -partial_chain -verify_return_error`;
  const to = "-connect 127.0.0.1:8443 -servername shop.example.test";
  const name = "-verify_hostname shop.example.test";
  const said = await host.sh(`openssl s_client ${to} ${known} ${trust} ${name} </dev/null 2>&1`);
  assert.match(said, /Verify return code: 0 \(ok\)/);
}

async function passesAllKinds(lab: Lab, version: string): Promise<void> {
  const { host, data } = lab.one;
  await host.sh(`head -c 5000000 /dev/urandom > ${data}/bulk`);
  const [hash] = (await host.sh(`sha256sum ${data}/bulk`)).split(" ");
  const sent = [version, "--data-binary", `@${data}/bulk`, "-H", "Expect:"];
  assert.equal(await lab.curl("shop", "/echo", ...sent), `5000000 ${hash}`);
  const chunked = [...sent, "-H", "Transfer-Encoding: chunked"];
  assert.equal(await lab.curl("shop", "/echo", ...chunked), `5000000 ${hash}`);
  assert.equal(
    await lab.curl("shop", "/echo", version, "-d", "x", "-H", "Expect: 100-continue"),
    echoOfX(),
  );
  const got = await lab.curl(
    "shop",
    "/bulk?80",
    version,
    "-o",
    "/dev/null",
    "-w",
    "%{size_download}",
  );
  assert.equal(got, String(80 * 65536));
  const status = version === "--http2" ? /^HTTP\/2 200 \r\n/ : /^HTTP\/1\.1 200 OK\r\n/;
  assert.match(await lab.curl("shop", "/", version, "-I"), status);
  const early = await lab.curl("shop", "/early", ...sent, "-w", "%{http_code}");
  assert.match(early, /too much\n.*413/s);
  const [at, name] = ["shop.example.test:8443:127.0.0.1", "https://shop.example.test:8443"];
  const follow = (path: string) =>
    host.spawn("curl", [
      version,
      "-sN",
      "--resolve",
      at,
      "--cacert",
      `${data}/ca.crt`,
      `${name}${path}`,
    ]);
  await using slow = follow("/slow");
  await slow.waitFor(/first/, READY_MS); // it comes at once, whatever follows
  await lab.curl("shop", "/finish");
  await slow.waitFor(/last/, READY_MS);
  assert.equal((await slow.status).code, 0);
  await using gone = follow("/hang");
  await lab.service.waitFor(/hanging/, READY_MS);
  gone.signal("SIGKILL");
  await lab.service.waitFor(/cancelled/, READY_MS); // the visitor has left, and the service hears it
}

function echoOfX(): string {
  return `1 ${createHash("sha256").update("x").digest("hex")}`;
}

/** The name is the agent's that was enrolled for it, which alone may give it back. */
async function staysItsAgents(lab: Lab): Promise<void> {
  await lab.enroll("other", "*");
  const taken = await lab.agent("other", "publish 8080 --name shop");
  assert.match(taken.stderr, /the name is another agent's/);
  assert.equal(taken.code, 8);
  const foreign = await lab.agent("laptop", "publish 8080 --name blog");
  assert.match(foreign.stderr, /the agent was enrolled for shop/);
  assert.equal(foreign.code, 3);
  assert.equal((await lab.agent("laptop", "names list")).stdout, "shop.example.test\n");
  assert.match((await lab.agent("other", "names release shop")).stderr, /not this agent's/);
  assert.equal((await lab.agent("laptop", "names release shop")).code, 0);
  const { data, host } = lab.one;
  await host.sh(`umask 077; echo ann:secret > ${data}/logins`);
  const rules = `--basic-auth ${data}/logins --allow 127.0.0.0/8`;
  await using agent = await lab.publish("other", `shop=1 open-house=8080 ${rules}`);
  const code = async (name: string, ...args: string[]) =>
    (await lab.curl(name, "/", "-o", "/dev/null", "-w", "%{http_code}", ...args)).slice(-3);
  assert.equal(await code("open-house"), "401");
  assert.equal(await code("open-house", "-u", "ann:wrong"), "401");
  const seen = JSON.parse(await lab.curl("open-house", "/", "-u", "ann:secret"));
  assert.equal(seen.headers.authorization, undefined);
  const login = ["-u", "ann:secret"];
  assert.match(await lab.curl("shop", "/", "-w", "%{http_code}", ...login), /not answer.*502$/s);
  const plain = ["-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"];
  const led = [...plain, "-H", "Host: shop.example.test", "http://127.0.0.1:8081/a?b"];
  const { stdout } = await host.run("curl", led);
  assert.equal(stdout, "308 https://shop.example.test:8443/a?b");
  assert.match(lab.node.output, /"GET \/a%2Fb\/\/\.\.\/c\?x=1 HTTP\/[12]\S*" 200 /);
  const { agents } = JSON.parse((await lab.one.ask("/v1/agents")).body);
  const { agent: id } = agents.find((one: { names: string[] }) => one.names[0] === "*");
  assert.equal((await lab.one.mesh(`revoke ${id.slice(0, 12)}`)).code, 0);
  await agent.waitFor(/was revoked/, READY_MS);
  assert.equal((await agent.status).code, 3);
  assert.match(await lab.curl("shop", "/", "-w", "%{http_code}"), /no service at .*404$/s);
}
