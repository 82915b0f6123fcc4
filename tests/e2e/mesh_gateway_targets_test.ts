import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, READY_MS } from "./mesh_gateway_lab.ts";

const SERVICES = new URL("gateway_services.mjs", import.meta.url).pathname;
const RPC = new URL("gateway_rpc.mjs", import.meta.url).pathname;

test("services with TLS, and of HTTP/2 alone, are published, with a host of their own", async () => {
  await using lab = await gatewayLab();
  const { host, data } = lab.one;
  await host.sh(`
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=app.test \\
      -addext subjectAltName=DNS:app.test -keyout ${data}/app.key -out ${data}/app.crt`);
  await using services = host.spawn("node", [SERVICES, data]);
  await services.waitFor(/listening/, READY_MS);
  await lab.enroll("laptop", "*");
  const at = "https://127.0.0.1:8444";
  const proved = `app=${at}?ca=${data}/app.crt&name=app.test&host=app.test`;
  await using agent = await lab.publish(
    "laptop",
    `${proved} any=${at}?verify=no none=${at} rpc=h2c://127.0.0.1:8445`,
  );
  assert.deepEqual(JSON.parse(await lab.curl("app", "/")), {
    host: "app.test",
    forwarded: "app.example.test:8443",
  });
  assert.match(
    await lab.curl("app", "/moved", "-I"),
    /^location: https:\/\/app\.example\.test:8443\/there\?x\r$/m,
  );
  assert.equal(JSON.parse(await lab.curl("any", "/")).host, "any.example.test:8443");
  assert.match(await lab.curl("none", "/", "-w", "%{http_code}"), /502$/);
  await agent.waitFor(/A request failed .*name=none why=.*certificate/, READY_MS);
  const calls = await host.sh(`node ${RPC} ${data}/ca.crt`);
  assert.equal(calls, "/a ONE TWO 0 trailers\n/b THREE 0 trailers\n/empty  0 trailers\n");
  assert.match(await lab.curl("rpc", "/c", "--http1.1", "-d", "x"), /^X$/);
});
