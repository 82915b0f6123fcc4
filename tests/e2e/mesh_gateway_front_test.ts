import assert from "node:assert/strict";
import { toHex, utf8 } from "../../src/base/bytes.ts";
import { encodeProxyHeader } from "../../src/core/net/proxy_header.ts";
import { test } from "../check.ts";
import { gatewayLab, type Lab, READY_MS } from "./mesh_gateway_lab.ts";

const PROXIED = new URL("gateway_proxied.mjs", import.meta.url).pathname;
const TO = { host: "127.0.0.1", port: 8443 };

test("behind proxies a visitor is who they say, to rules and services, and nobody else is", async () => {
  await using lab = await gatewayLab(
    "--connect-plain",
    ...["--proxy-protocol-from", "127.0.0.2/32", "--forwarded-from", "192.0.2.80/32"],
  );
  const { host, data } = lab.one;
  const visit = async (from: string, header: Uint8Array, ...fields: string[]) => {
    const args = [PROXIED, "visit", `${data}/ca.crt`, from, toHex(header), ...fields];
    return (await host.run("node", args)).stdout;
  };
  const as = (address: string, version: 1 | 2 = 1) =>
    encodeProxyHeader(version, { source: { host: address, port: 4000 }, destination: TO });
  await lab.enroll("laptop", "shop");
  {
    await using _agent = await lab.publish("laptop", "8080 --name shop --allow 192.0.2.0/24");
    for (const version of [1, 2] as const) {
      const answer = await visit("127.0.0.2", as("192.0.2.7", version));
      assert.match(answer, /^HTTP\/1\.1 200 .*"x-forwarded-for":"192\.0\.2\.7"/s);
    }
    assert.match(await visit("127.0.0.2", as("198.51.100.1")), /^HTTP\/1\.1 403 /);
    // Nobody else may say so, nor may a field of the request.
    assert.doesNotMatch(await visit("127.0.0.3", as("192.0.2.7")), /HTTP/);
    const field = "X-Forwarded-For: 192.0.2.7";
    assert.match(await visit("127.0.0.3", new Uint8Array(), field), /^HTTP\/1\.1 403 /);
    assert.match(await visit("127.0.0.2", as("198.51.100.1"), field), /^HTTP\/1\.1 403 /);
    // A proxy without a header is none.
    assert.doesNotMatch(await visit("127.0.0.2", new Uint8Array()), /HTTP/);
    const web = await visit("127.0.0.2", as("192.0.2.80"), "X-Forwarded-For: 203.0.113.9");
    assert.match(web, /"x-forwarded-for":"203\.0\.113\.9, 192\.0\.2\.80"/);
    const own = await visit("127.0.0.2", as("192.0.2.81"), "X-Forwarded-For: 203.0.113.9");
    assert.match(own, /"x-forwarded-for":"192\.0\.2\.81"/);
    assert.match(lab.node.stdout, /^192\.0\.2\.7 /m); // the access log
  }
  await connectsWithServicesForAll(lab);
  await using service = host.spawn("node", [PROXIED, "serve"]);
  await service.waitFor(/listening/, READY_MS);
  const target = "http://127.0.0.1:8082?proxy=v1";
  await using _agent = await lab.publish("laptop", `${target} --name shop`);
  for (const address of ["192.0.2.7", "198.51.100.1"]) {
    const line = new RegExp(`PROXY TCP4 ${address} 127\\.0\\.0\\.1 0 8082`);
    assert.match(await visit("127.0.0.2", as(address)), line);
  }
  assert.match(await visit("127.0.0.3", utf8("")), /PROXY TCP4 127\.0\.0\.3 /);
});

/** Without TLS, by CONNECT: a service that is published for everybody, and nothing else. */
async function connectsWithServicesForAll(lab: Lab): Promise<void> {
  const { host } = lab.one;
  await lab.enroll("games", "game");
  await using agent = host.spawn(
    ...lab.command("games", "publish tcp://127.0.0.1:8080 --name game --public"),
  );
  await agent.waitFor(/^mesh:\/\//m, READY_MS);
  const curl = async (to: string) => {
    const by = ["-sS", "-p", "-x", "http://127.0.0.1:8081", "-w", " %{http_connect}"];
    return (await host.run("curl", [...by, `http://${to}/x`])).stdout;
  };
  assert.match(await curl("game.example.test"), /"url":"\/x".* 200$/s);
  assert.equal(await curl("127.0.0.1:8080"), " 403");
  assert.equal(await curl("none.example.test"), " 404");
}
