/** Visitors by HTTP/3: a client by hand, and a browser. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "../check.ts";
import { hasProgram } from "./proxy_targets.ts";
import { gatewayLab, READY_MS } from "./mesh_gateway_lab.ts";

const CLIENT = new URL("http3_client.ts", import.meta.url).pathname;
const SHOP = "shop.example.test";

const hasChromium = await hasProgram("chromium");
if (!hasChromium) console.log("Skipped what needs a browser: chromium is not installed");

test("HTTP/3: requests, uploads, early answers, websockets; a browser comes by it too", async () => {
  await using lab = await gatewayLab();
  await lab.enroll("laptop", "shop");
  await using _agent = await lab.publish("laptop", "8080 --name shop");
  assert.match(await lab.curl("shop", "/", "-i"), /^alt-svc: h3=":8443"; ma=86400/m);
  const { one } = lab;
  const ca = `${one.data}/ca.crt`;
  const args = ["run", "-A", "--unstable-net", "--no-lock", CLIENT, "8443", ca, SHOP];
  const ran = await one.host.run(Deno.execPath(), args, { timeoutMs: 2 * READY_MS });
  assert.equal(ran.code, 0, ran.stderr);
  const told = JSON.parse(ran.stdout);
  assert.equal(told.get.status, "200");
  const seen = JSON.parse(told.get.text.length < 300 ? told.get.text : "null");
  if (seen !== null) assert.equal(seen.url, "/a%2Fb//c?d");
  else assert.match(told.get.text, /"url":"\/a%2Fb\/\/c\?d"/);
  assert.deepEqual([told.upload.status, told.upload.text], ["200", `3000000 ${told.sent}`]);
  assert.deepEqual([told.early.status, told.early.text], ["413", "too much\n"]);
  const bulk = createHash("sha256").update(new Uint8Array(160 * 65536).fill(7)).digest("hex");
  assert.deepEqual([told.bulk.size, told.bulk.sha256], [160 * 65536, bulk]);
  assert.deepEqual(told.many, ["200"]);
  assert.equal(told.twoHosts.status, "400");
  assert.deepEqual([told.websocket.status, told.websocket.text], ["200", "to and fro"]);
  assert.equal(told.fault, 0x101, "a frame on the wrong stream ends the connection");
  await lab.service.waitFor(/hanging/);
  await lab.service.waitFor(/cancelled/);
  await lab.node.waitFor(/"GET \/many HTTP\/3" 200/);
  if (hasChromium) await comesByBrowser(lab);
});

async function comesByBrowser(lab: Awaited<ReturnType<typeof gatewayLab>>): Promise<void> {
  const { one } = lab;
  const { stdout: key } = await one.host.run("sh", [
    "-c",
    `openssl s_client -connect 127.0.0.1:8443 -servername ${SHOP} </dev/null 2>/dev/null |
     openssl x509 -pubkey -noout | openssl pkey -pubin -outform der |
     openssl dgst -sha256 -binary | base64`,
  ]);
  await using chromium = one.host.spawn("unshare", [
    // A namespace of processes: none of the many outlives the first.
    ...["--pid", "--fork", "--kill-child", "--mount-proc", "--", "chromium"],
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    ...["--no-first-run", "--disable-background-networking", "--disable-component-update"],
    ...[`--user-data-dir=${one.data}-chromium`, "--host-resolver-rules=MAP * 127.0.0.1"],
    ...[`--origin-to-force-quic-on=${SHOP}:8443`],
    ...[`--ignore-certificate-errors-spki-list=${key.trim()}`, "--dump-dom"],
    `https://${SHOP}:8443/by-browser`,
  ]);
  await lab.node.waitFor(/"GET \/by-browser HTTP\/3" 200/, 2 * READY_MS);
  chromium.signal("SIGKILL"); // of unshare, which takes all with it
}
