import assert from "node:assert/strict";
import { test } from "../check.ts";
import { selfSigned } from "../suite/certificates.ts";
import { gatewayLab, type Lab, READY_MS } from "./mesh_gateway_lab.ts";

const SEALED = new URL("gateway_sealed.mjs", import.meta.url).pathname;

test("with --passthrough TLS ends behind the nodes, which see nothing of what is said", async () => {
  await using lab = await gatewayLab();
  const { host } = lab.one;
  using own = selfSigned("DNS:sealed.example.test");
  await lab.enroll("laptop", "sealed,open,other");
  await refusesALogin(lab);
  await using service = host.spawn("node", [SEALED, "serve", own.cert, own.key]);
  await service.waitFor(/listening/, READY_MS);
  await using _open = await lab.publish("laptop", "open=8080 other=8080");
  const ask = (...more: string[]) =>
    lab.curl("sealed", "/", "--cacert", own.cert, ...more, "-w", " %{http_code}");
  {
    const target = "https://127.0.0.1:8446";
    await using _agent = await lab.publish("laptop", `${target} --name sealed --passthrough`);
    const answer = await ask("-H", "X-Secret: nobody reads this one");
    assert.match(answer, /^sealed for sealed\.example\.test:8443, nobody reads this one/);
    // Its name is there in clear, and in the nodes' routes.
    const texts = ["sealed.example.test", "nobody reads this one"];
    const seen = await host.run("node", [SEALED, "memory", String(lab.node.pid), ...texts]);
    assert.equal(seen.stdout, "sealed.example.test\n", seen.stderr);
    assert.doesNotMatch(lab.node.stdout, /sealed/); // the access log
    await answersOthersOnOneConnection(lab);
  }
  // While its agent is off, no node takes what is not for it.
  assert.match(await ask("-k"), / 000curl: \(35\) .*unrecognized name/);
  {
    const files = `--tls-cert ${own.cert} --tls-key ${own.key}`;
    const words = `8080 --name sealed --passthrough ${files} --allow 127.0.0.0/8`;
    await using _agent = await lab.publish("laptop", words);
    const { headers } = JSON.parse((await ask()).replace(/ 200$/, ""));
    assert.equal(headers.host, "sealed.example.test:8443");
    assert.equal(headers["x-forwarded-for"], undefined); // nobody has changed the request
  }
  const words = "https://127.0.0.1:8446 --name sealed --passthrough --allow 192.0.2.0/24";
  await using _agent = await lab.publish("laptop", words);
  assert.match(await ask(), / 000curl: \(35\) Recv failure/);
});

/** A browser may ask for all names of a certificate on one connection (contour #1493). */
async function answersOthersOnOneConnection({ one: { host, data } }: Lab): Promise<void> {
  const names = ["open", "sealed", "other", "open"].map((name) => `${name}.example.test:8443`);
  const { stdout } = await host.run("node", [SEALED, "ask", `${data}/ca.crt`, ...names]);
  const statuses = stdout.trim().split("\n").map((line) => line.split(" ")[1]);
  assert.deepEqual(statuses, ["200", "421", "200", "200"], stdout);
}

/** One that needs requests to be seen; the others are in passthrough_test.ts. */
async function refusesALogin(lab: Lab): Promise<void> {
  const file = `${lab.one.data}/logins`;
  await lab.one.host.sh(`umask 077; echo ann:secret > ${file}`);
  const words = `publish https://a --name sealed --passthrough --basic-auth ${file}`;
  const { code, stderr } = await lab.agent("laptop", words);
  assert.match(stderr, /Cannot use --basic-auth with --passthrough/);
  assert.equal(code, 2);
}
