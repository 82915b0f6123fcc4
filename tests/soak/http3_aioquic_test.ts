/** Visitors by aioquic, another implementation of HTTP/3 and QPACK, which a venv gets from PyPI. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { gatewayLab } from "../e2e/mesh_gateway_lab.ts";
import { makeFolder } from "../e2e/proxy_files.ts";

const AIOQUIC = "aioquic==1.7.2";
const CLIENT = new URL("http3_client.py", import.meta.url).pathname;

async function run(command: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" })
    .output();
  return success;
}

test("aioquic: answers, uploads, a hundred requests at once, and faults", async () => {
  await using folder = await makeFolder();
  const python = `${folder.path}/venv/bin/python`;
  const isThere = await run("python3", "-m", "venv", `${folder.path}/venv`) &&
    await run(python, "-m", "pip", "install", AIOQUIC);
  if (!isThere) return console.log(`Skipped: ${AIOQUIC} cannot be installed here`);
  await using lab = await gatewayLab();
  await lab.enroll("laptop", "shop");
  await using _agent = await lab.publish("laptop", "8080 --name shop");
  const ca = `${lab.one.data}/ca.crt`;
  const args = [CLIENT, "8443", ca, "shop.example.test"];
  const ran = await lab.one.host.run(python, args, { timeoutMs: 180_000 });
  assert.deepEqual([ran.code, ran.stdout], [0, "as it must be\n"], ran.stderr);
});
