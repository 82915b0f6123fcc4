import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab } from "../e2e/mesh_gateway_lab.ts";

const RUNS = 100;

test("a hundred runs of h2load, whose connections end by GOAWAY, end no gateway", async () => {
  await using lab = await gatewayLab();
  const { host } = lab.one;
  await lab.enroll("laptop", "shop");
  await using _agent = await lab.publish("laptop", "8080 --name shop");
  const to = ["--connect-to=127.0.0.1:8443", "https://shop.example.test:8443/"];
  for (let i = 0; i < RUNS; i++) {
    const args = ["-n", "500", "-c", "10", "-m", "20", ...to];
    // Every third one is ended in the midst of its requests.
    if (i % 3 === 0) await host.run("timeout", ["0.2", "h2load", ...args]);
    else assert.match((await host.run("h2load", args)).stdout, /500 succeeded/);
  }
  assert.match(await lab.curl("shop", "/", "-w", "%{http_code}", "-o", "/dev/null"), /200$/);
});
