import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { Host, Process } from "../netns.ts";
import { limitPackets, type RoutedPath, routedPath, SERVER, silenceRouter } from "./routed_path.ts";
import { ENV, INNER, ttunCommand } from "./tunnel.ts";

const MTU = 1300;
const BYTES = 2_000_000;
const PORT = 5001;

/** A router drops what is longer than MTU, either way, and says nothing. */
async function blackHole(): Promise<RoutedPath> {
  await using stack = new AsyncDisposableStack();
  const path = stack.use(await routedPath());
  await silenceRouter(path);
  await limitPackets(path, MTU);
  const ping = (size: number) =>
    path.client.run("ping", ["-c", "1", "-W", "1", "-M", "do", "-s", `${size}`, SERVER.v4]);
  assert.equal((await ping(MTU - 28)).code, 0, "what just fits passes");
  const lost = await ping(MTU - 27);
  assert.equal(lost.code, 1);
  assert.doesNotMatch(lost.stdout + lost.stderr, /too long|fragmentation|mtu/i);
  stack.move();
  return path;
}

async function start(host: Host, ...args: string[]): Promise<Process> {
  const [command, rest] = ttunCommand(...args);
  const process = host.spawn(command, rest, { env: ENV });
  await process.waitFor(args[0] === "server" ? /listening/ : /authenticated/);
  return process;
}

const SINK = `
import socket
s = socket.create_server(("ADDRESS", ${PORT})); print("ready", flush=True); c, _ = s.accept(); n = 0
while b := c.recv(1 << 16): n += len(b)
c.sendall(b"%d" % n)`;

const SOURCE = `
import socket
c = socket.create_connection(("ADDRESS", ${PORT})); c.sendall(bytes(${BYTES})); c.shutdown(1)
print(c.recv(100).decode())`;

/** Sends 2 MB through the tunnel; how long that took, in milliseconds. */
async function transfer(from: Host, to: Host, address: string): Promise<number> {
  await using sink = to.spawn("python3", ["-c", SINK.replace("ADDRESS", address)]);
  await sink.waitFor(/ready/);
  const began = performance.now();
  const sent = await from.run("python3", ["-c", SOURCE.replace("ADDRESS", address)]);
  assert.equal(sent.stdout, `${BYTES}\n`, sent.stderr);
  return performance.now() - began;
}

for (const [family, direction] of [["v4", "up"], ["v6", "down"]] as const) {
  test(`a router that drops long packets in silence: 2 MB ${direction} over ${family} pass within 10 s`, async () => {
    await using t = await blackHole();
    await using _server = await start(t.server, "server", "-v");
    const at = family === "v4" ? `${SERVER.v4}:20203` : `[${SERVER.v6}]:20203`;
    await using client = await start(t.client, "client", "-v", "-s", at);
    const ms = direction === "up"
      ? await transfer(t.client, t.server, INNER.server4)
      : await transfer(t.server, t.client, INNER.client4);
    assert(ms < 10_000, `${ms} ms\n${client.output}`);
    assert.match(client.output, /Full segments do not pass .* with 1220 bytes/);
  });
}

test("with --segment-size at one end no connection is lost on such a path", async () => {
  await using t = await blackHole();
  await using _server = await start(t.server, "server", "--segment-size", "1240");
  await using client = await start(t.client, "client", "-s", `${SERVER.v4}:20203`);
  await transfer(t.client, t.server, INNER.server4);
  await transfer(t.server, t.client, INNER.client4);
  assert.equal(client.output.match(/authenticated/g)?.length, 1, client.output);
});
