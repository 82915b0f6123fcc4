import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, twoHosts } from "../netns.ts";
import { breakingRelay, cutDuring } from "./breaking_relay.ts";
import {
  endWell,
  ENV,
  expectCleanLog,
  listensAt,
  LOOPBACK,
  portsOf,
  type Process,
  startClient,
  startServer,
  ttunCommand,
} from "./forward_pair.ts";
import { downloadWhileMoving } from "./moving_client.ts";
import { makeFolder } from "./proxy_files.ts";
import { run } from "./proxy_pair.ts";
import { expectEcho, readToEnd } from "./proxy_socks.ts";
import { echoer } from "./proxy_targets.ts";
import { hashOfBulk, serveWeb, writeBulk } from "./proxy_web.ts";

const MB = 1024 * 1024;

/** Between cuts, in milliseconds: the client waits before it follows a connection of under a second. */
const CUT_MS = 1300;

const open = (port: number) => Deno.connect({ hostname: LOOPBACK, port });

test("transfers both ways by -L and -D are right though the connection is cut again and again", async () => {
  const size = 60 * MB;
  await using web = serveWeb();
  await using echo = echoer();
  await using folder = await makeFolder();
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(await startServer(), endWell);
  const relay = stack.use(await breakingRelay(Number(listensAt(server).split(":")[1])));
  const args = ["-L", `0:${web.at}`, "-L", `0:${LOOPBACK}:${echo.port}`, "-D", "0"];
  const client = stack.adopt(await startClient({ at: relay.at, args }), endWell);
  const [toWeb, toEcho, dynamic] = portsOf(client);
  const file = `${folder.path}/big`;
  await writeBulk(file, size);
  using idle = await open(toEcho!);
  await expectEcho(idle, "before");
  const ways = [
    ["-L", [], `http://${LOOPBACK}:${toWeb}`],
    ["-D", ["-x", `socks5h://${LOOPBACK}:${dynamic}`], `http://${web.at}`],
  ] as const;
  // Slow enough for several cuts.
  const rate = ["--limit-rate", "15M"];
  const transfers = Promise.all(ways.map(async ([name, args, url]) => {
    const down = [
      "-c",
      'curl "$@" | sha256sum',
      "sh",
      "-sS",
      ...rate,
      ...args,
      `${url}/bulk/${size}`,
    ];
    const up = ["-sS", ...rate, ...args, "-T", file, `${url}/echo`];
    const [downloaded, uploaded] = await Promise.all([run("sh", down), run("curl", up)]);
    assert.equal(downloaded.stdout, `${hashOfBulk(size)}  -\n`, `${name}: ${downloaded.stderr}`);
    assert.equal(uploaded.stdout, `${size} ${hashOfBulk(size)}\n`, `${name}: ${uploaded.stderr}`);
  }));
  await cutDuring(relay, CUT_MS, transfers);
  await expectEcho(idle, "after");
  assert(relay.count > 3, `${relay.count} connections`);
  const gone = client.output.match(/session goes on/g)!.length;
  assert(gone >= 3, client.output);
  assert.equal(client.output.match(/ authenticated /g)!.length, 1, client.output);
});

test("a server that restarts: open connections are reset, later ones work", async () => {
  await using echo = echoer();
  await using stack = new AsyncDisposableStack();
  const ended = stack.use(await startServer());
  const at = listensAt(ended);
  const args = ["-L", `0:${LOOPBACK}:${echo.port}`];
  const client = stack.adopt(await startClient({ at, args }), endWell);
  const [port] = portsOf(client);
  const openAndSay = async () => {
    const conn = stack.use(await open(port!));
    await expectEcho(conn, "hello");
    return conn;
  };
  const restart = async () => {
    const from = client.lineCount;
    const server = stack.use(await startServer({ at }));
    await client.waitFor(/ authenticated /, 20_000, from);
    return server;
  };
  const first = await openAndSay();
  ended.signal("SIGTERM");
  assert.equal((await ended.status).code, 0, ended.output);
  assert.deepEqual(await readToEnd(first), { bytes: 0, end: "reset" });
  const killed = await restart();
  const second = await openAndSay();
  killed.signal("SIGKILL");
  await killed.status;
  const last = await restart();
  assert.deepEqual(await readToEnd(second), { bytes: 0, end: "reset" }); // its session is gone
  await openAndSay();
  expectCleanLog(last);
});

test("a download goes on when the client's address changes in the middle of it", async () => {
  const size = 40 * MB;
  await using hosts = await twoHosts();
  await using folder = await makeFolder();
  await writeBulk(`${folder.path}/big`, size);
  const web = hosts.server.spawn("python3", ["-u", "-m", "http.server", "-b", LOOPBACK, "8080"], {
    cwd: folder.path,
  });
  await web.waitFor(/Serving HTTP/);
  const server = await startOn(hosts.server, / listening /, [
    ...["server", "--no-tun", "--permit-open", `${LOOPBACK}:8080`],
  ]);
  const client = await startOn(hosts.client, / authenticated /, [
    ...["client", "-s", "192.0.2.1", "-L", `8080:${LOOPBACK}:8080`],
  ]);
  const script = `curl -sS --limit-rate 8M http://${LOOPBACK}:8080/big | sha256sum`;
  await downloadWhileMoving(hosts.client, client, script, size);
  for (const end of [server, client]) expectCleanLog(end);
});

async function startOn(host: Host, ready: RegExp, args: string[]): Promise<Process> {
  const [command, all] = ttunCommand(...args, "-v");
  const end = host.spawn(command, all, { env: ENV });
  await end.waitFor(ready);
  return end;
}
