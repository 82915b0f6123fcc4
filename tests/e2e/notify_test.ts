import assert from "node:assert/strict";
import { test } from "../check.ts";
import { builtBinary } from "./binary.ts";
import { ENV, LOOPBACK, type Process, spawnHere, ttunCommand } from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";

/** Prints each state that comes, as a service manager hears it. */
const MANAGER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\\0", 1))
print("listening", flush=True)
while True: print("heard", s.recv(4096).decode(), flush=True)
`;

async function manager(name: string): Promise<Process> {
  const process = spawnHere("python3", ["-c", MANAGER, name]);
  await process.waitFor(/listening/);
  return process;
}

const COMMANDS: Record<string, string[]> = {
  "a server of forwards": ["server", "--no-tun", "-l", `${LOOPBACK}:0`],
  "the proxy's server": ["proxy", "server", "-l", LOOPBACK, "-r", "24000-24100", "--no-warm-up"],
  "the proxy's client": ["proxy", "client", "-s", LOOPBACK, "-l", `${LOOPBACK}:0`, "--no-warm-up"],
};

test("a service manager hears when ttun is ready, alive, and when it stops; by a path and by an abstract name", async () => {
  await using folder = await makeFolder();
  const names = [`${folder.path}/notify`, `@ttun-test-${Deno.pid}`, `${folder.path}/other`];
  await Promise.all(
    Object.entries(COMMANDS).map(async ([what, words], i) => {
      await using heard = await manager(names[i]!);
      const [command, args] = ttunCommand(...words, "-v");
      await using ttun = spawnHere(command, args, {
        env: { ...ENV, NOTIFY_SOCKET: names[i]!, WATCHDOG_USEC: "400000" },
      });
      await ttun.waitFor(/ listening/);
      await heard.waitFor(/heard READY=1/);
      await heard.waitFor(/heard WATCHDOG=1\n[^]*heard WATCHDOG=1/);
      assert.doesNotMatch(heard.output, /STOPPING/, what);
      ttun.signal("SIGTERM");
      assert.equal((await ttun.status).code, 0, ttun.output);
      await heard.waitFor(/heard STOPPING=1/);
    }),
  );
});

test("a client tells that it is ready when it has its server, and a socket that is not there stops nothing", async () => {
  await using folder = await makeFolder();
  await using heard = await manager(`${folder.path}/notify`);
  const port = 20_795;
  const start = (env: Record<string, string>, ...words: string[]) => {
    const [command, args] = ttunCommand(...words, "-v");
    return spawnHere(command, args, { env: { ...ENV, ...env } });
  };
  const NOTIFY_SOCKET = `${folder.path}/notify`;
  await using client = start({ NOTIFY_SOCKET }, "client", "-s", `${LOOPBACK}:${port}`, "-D", "0");
  await client.waitFor(/retry_in_seconds/);
  assert.doesNotMatch(heard.output, /READY/);
  await using server = start(
    { NOTIFY_SOCKET: `${folder.path}/nobody` },
    ...["server", "--no-tun", "-l", `${LOOPBACK}:${port}`],
  );
  await server.waitFor(/Cannot tell the service manager/);
  await server.waitFor(/ listening /);
  await client.waitFor(/ authenticated /, 20_000);
  await heard.waitFor(/heard READY=1/);
});

test("the executable tells a service manager too, and a watchdog of another process nothing", async () => {
  await using folder = await makeFolder();
  const { file } = await builtBinary();
  const NOTIFY_SOCKET = `${folder.path}/notify`;
  await using heard = await manager(NOTIFY_SOCKET);
  const start = (env: Record<string, string>) =>
    spawnHere(file, ["server", "--no-tun", "-l", `${LOOPBACK}:0`], {
      env: { ...ENV, NOTIFY_SOCKET, WATCHDOG_USEC: "400000", ...env },
    });
  {
    await using other = start({ WATCHDOG_PID: "1" });
    await heard.waitFor(/heard READY=1/);
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.doesNotMatch(heard.output, /WATCHDOG/);
    other.signal("SIGTERM");
    assert.equal((await other.status).code, 0, other.output);
  }
  await using ttun = start({});
  await heard.waitFor(/heard WATCHDOG=1/);
  ttun.signal("SIGTERM");
  assert.equal((await ttun.status).code, 0, ttun.output);
});
