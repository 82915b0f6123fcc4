import assert from "node:assert/strict";
import { test } from "../check.ts";
import { endWell, PERMIT, portsOf, type Process, spawnTtun } from "./forward_pair.ts";
import { LOOPBACK, run } from "./proxy_pair.ts";
import { serveWeb } from "./proxy_web.ts";

async function urlOf(end: Process): Promise<string> {
  await end.waitFor(/ metrics {2}url=/);
  return /url=(\S+)\/metrics/.exec(end.output)![1]!;
}

/** Asks with curl; the body and the status. */
async function ask(url: string, ...options: string[]) {
  const { stdout } = await run("curl", ["-s", "-w", "\n%{http_code}", ...options, url]);
  const [, body, status] = /^([^]*)\n(\d+)$/.exec(stdout)!;
  return { body: body!, status: Number(status) };
}

function valueOf(text: string, name: string): number {
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(text)?.[1]);
}

test("--metrics: a client is ready when it has its server, and the numbers grow with its traffic", async () => {
  await using web = serveWeb();
  await using stack = new AsyncDisposableStack();
  const start = (...args: string[]) => stack.adopt(spawnTtun([...args, "--metrics", "0"]), endWell);
  const server = start("server", "--no-tun", "-l", `${LOOPBACK}:20797`, ...PERMIT);
  await server.waitFor(/ listening /);
  const early = start("client", "-s", `${LOOPBACK}:20796`, "-L", `0:${web.at}`);
  const late = await urlOf(early);
  assert.deepEqual([(await ask(`${late}/healthz`)).status, (await ask(`${late}/readyz`)).status], [
    200,
    503,
  ]);
  const client = start("client", "-s", `${LOOPBACK}:20797`, "-L", `0:${web.at}`);
  await client.waitFor(/ authenticated /);
  const [near, far] = [await urlOf(client), await urlOf(server)];
  assert.deepEqual(await ask(`${near}/readyz`), { body: "ready\n", status: 200 });
  const size = 3_000_000;
  await run("curl", [
    "-s",
    "-o",
    "/dev/null",
    `http://${LOOPBACK}:${portsOf(client)[0]}/bulk/${size}`,
  ]);
  const [here, there] = [(await ask(`${near}/metrics`)).body, (await ask(`${far}/metrics`)).body];
  assert.equal(valueOf(here, "ttun_connections_total"), 1);
  assert.ok(valueOf(here, "ttun_session_received_bytes_total") > size);
  assert.ok(valueOf(there, "ttun_session_sent_bytes_total") > size);
  assert.equal(valueOf(there, "ttun_sessions"), 1);
  assert.match(there, /^ttun_info\{version="[\d.]+\S*",command="server"\} 1$/m);
  // A web page whose name leads here hears nothing.
  assert.equal((await ask(`${near}/metrics`, "-H", "Host: rebound.example")).status, 403);
});

test("--metrics: an address that is taken ends the program with its reason", async () => {
  using taken = Deno.listen({ hostname: LOOPBACK, port: 0 });
  const at = `${LOOPBACK}:${(taken.addr as Deno.NetAddr).port}`;
  const server = spawnTtun(["server", "--no-tun", "-l", `${LOOPBACK}:0`, "--metrics", at]);
  await using _server = server;
  assert.equal((await server.status).code, 8);
  const message = `Cannot serve metrics on ${at}: the port is taken; give --metrics another one`;
  assert(server.output.includes(message), server.output);
});
