/** Calls by grpc-js through a gateway, to a service by grpc-js, of a package that npm gets. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab, READY_MS } from "../e2e/mesh_gateway_lab.ts";
import { makeFolder } from "../e2e/proxy_files.ts";

const PACKAGE = "@grpc/grpc-js@1.13.4";
const SERVICE = new URL("grpc_service.mjs", import.meta.url).pathname;
const CLIENT = new URL("grpc_client.mjs", import.meta.url).pathname;
const UNIMPLEMENTED = 12;

test("gRPC by grpc-js: single calls, streams both ways, and a status alone", async () => {
  await using folder = await makeFolder();
  const cwd = folder.path;
  const args = ["install", "--no-audit", "--no-fund", PACKAGE];
  const { success } = await new Deno.Command("npm", { args, cwd, stdout: "null", stderr: "null" })
    .output();
  if (!success) return console.log(`Skipped: ${PACKAGE} cannot be installed here`);
  await using lab = await gatewayLab();
  const { host, data } = lab.one;
  await using service = host.spawn("node", [SERVICE, "8090"], { cwd });
  await service.waitFor(/listening/, READY_MS);
  await lab.enroll("laptop", "rpc");
  await using _agent = await lab.publish("laptop", "h2c://127.0.0.1:8090 --name rpc");
  const call = [CLIENT, "8443", `${data}/ca.crt`, "rpc.example.test"];
  const ran = await host.run("node", call, { cwd, timeoutMs: READY_MS });
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(JSON.parse(ran.stdout), {
    echo: "echo hello",
    unknown: UNIMPLEMENTED,
    many: 1_000_000,
    chat: ["to fro", "to and 1", "to and 2"],
  });
});
