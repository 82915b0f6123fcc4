import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { breakingRelay, cutDuring } from "./breaking_relay.ts";
import { spawnTtun } from "./forward_pair.ts";
import { downloadWhileMoving } from "./moving_client.ts";
import { makeFolder } from "./proxy_files.ts";
import {
  endWell,
  expectCleanLog,
  LOOPBACK,
  portOf,
  type Process,
  run,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { BETWEEN } from "./proxy_recorder.ts";
import { expectEcho, openThrough, readToEnd } from "./proxy_socks.ts";
import { echoer } from "./proxy_targets.ts";
import { hashOfBulk, serveWeb, writeBulk } from "./proxy_web.ts";

const MB = 1024 * 1024;

/** The server has one port, for the relay to have the same one. */
const PORT = 20_600;
const RANGE = `${PORT}-${PORT}`;

/** Between cuts, in milliseconds. */
const CUT_MS = 1300;

test("transfers through the proxy are right though the connection is cut again and again", async () => {
  const size = 50 * MB;
  await using web = serveWeb();
  await using echo = echoer();
  await using folder = await makeFolder();
  await using relay = await breakingRelay(PORT, BETWEEN);
  await using stack = new AsyncDisposableStack();
  stack.adopt(await startServer({ range: RANGE }), endWell);
  const client = stack.adopt(await startClient({ range: RANGE, args: ["-s", BETWEEN] }), endWell);
  await client.waitFor(/ authenticated /);
  using idle = await openThrough(portOf(client), echo.port);
  await expectEcho(idle, "before");
  const file = `${folder.path}/big`;
  await writeBulk(file, size);
  const proxy = `${LOOPBACK}:${portOf(client)}`;
  const rate = ["-sS", "--limit-rate", "12M"]; // slow enough for several cuts
  const socks = ["-c", 'curl "$@" | sha256sum', "sh", ...rate, "-x", `socks5h://${proxy}`];
  const http = [...rate, "-x", `http://${proxy}`, "-T", file, `http://${web.at}/echo`];
  const transfers = Promise.all([
    run("sh", [...socks, `http://${web.at}/bulk/${size}`]),
    run("curl", http),
  ]);
  const [down, up] = await cutDuring(relay, CUT_MS, transfers);
  assert.equal(down.stdout, `${hashOfBulk(size)}  -\n`, down.stderr);
  assert.equal(up.stdout, `${size} ${hashOfBulk(size)}\n`, up.stderr);
  await expectEcho(idle, "after");
  assert(relay.count > 3, `${relay.count} connections`);
  assert.equal(client.output.match(/ authenticated /g)!.length, 1, client.output);
});

test("a proxy's server that is killed and comes again: open connections are reset, later ones work", async () => {
  await using echo = echoer();
  await using stack = new AsyncDisposableStack();
  await using killed = await startServer();
  const client = stack.adopt(await startClient(), endWell);
  await client.waitFor(/ authenticated /);
  using conn = await openThrough(portOf(client), echo.port);
  await expectEcho(conn, "hello");
  killed.signal("SIGKILL");
  await killed.status;
  const from = client.lineCount;
  const server = stack.adopt(await startServer(), endWell);
  await client.waitFor(/ authenticated /, 20_000, from);
  assert.deepEqual(await readToEnd(conn), { bytes: 0, end: "reset" });
  using late = await openThrough(portOf(client), echo.port);
  await expectEcho(late, "hello");
  expectCleanLog(server);
});

test("a download through the proxy goes on when the client's address changes in the middle of it", async () => {
  const size = 40 * MB;
  await using hosts = await twoHosts();
  await using folder = await makeFolder();
  await writeBulk(`${folder.path}/big`, size);
  const python = ["-u", "-m", "http.server", "-b", "192.0.2.1", "8080"];
  const web = hosts.server.spawn("python3", python, { cwd: folder.path });
  await web.waitFor(/Serving HTTP/);
  const start = (host: typeof hosts.server, ...args: string[]): Process =>
    spawnTtun(["proxy", ...args], {
      spawn: (command, all, options) => host.spawn(command, all, options),
    });
  const server = start(hosts.server, "server", "--permit-open", "192.0.2.1/32");
  await server.waitFor(/ listening; /);
  const client = start(hosts.client, "client", "-s", "192.0.2.1");
  await client.waitFor(/ authenticated /);
  const script =
    `curl -sS --limit-rate 8M -x socks5://${LOOPBACK}:1080 http://192.0.2.1:8080/big | sha256sum`;
  await downloadWhileMoving(hosts.client, client, script, size);
  for (const end of [server, client]) expectCleanLog(end);
});
