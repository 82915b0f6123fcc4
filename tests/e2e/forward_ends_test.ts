import assert from "node:assert/strict";
import { test } from "../check.ts";
import { descriptorCount, rssMb } from "../proc.ts";
import {
  endWell,
  expectCleanLog,
  listensAt,
  LOOPBACK,
  openForwards,
  PERMIT,
  portsOf,
  type Spawn,
  spawnHere,
  startClient,
  startServer,
  until,
} from "./forward_pair.ts";
import { openThrough, readExactly, readToEnd, writeAll } from "./proxy_socks.ts";
import { echoer, listener, listenFor, resetter, soon } from "./proxy_targets.ts";

/** Descriptors of an end that has few of them, and programs that come at once. */
const FEW = 128;
const PROGRAMS = 300;

/** Opened by a server for itself when it first connects: it watches its addresses. */
const OWN = 1;

const open = (port: number) => Deno.connect({ hostname: LOOPBACK, port });

test("a reset is passed on as a reset, from the target and from the program", async () => {
  await using resetting = await resetter("half an answer");
  const seen = Promise.withResolvers<string>();
  await using watching = listenFor(async (conn) => seen.resolve((await readToEnd(conn)).end));
  await using pair = await openForwards({
    client: [
      ...["-L", `0:${LOOPBACK}:${resetting.port}`, "-L", `0:${LOOPBACK}:${watching.port}`],
      ...["-D", "0"],
    ],
  });
  const [toResetting, toWatching, dynamic] = pair.ports;
  for (const connect of [() => open(toResetting!), () => openThrough(dynamic!, resetting.port)]) {
    using conn = await connect();
    await writeAll(conn, new Uint8Array(10));
    assert.deepEqual(await readToEnd(conn), { bytes: 14, end: "reset" });
  }
  // A close with bytes that were not read is a reset.
  const script = `import socket, struct
s = socket.create_connection(("${LOOPBACK}", ${toWatching})); s.sendall(b"x")
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); s.close()`;
  await using program = spawnHere("python3", ["-c", script]);
  await program.status;
  assert.equal(await soon(seen.promise), "reset");
});

test("a client that is killed leaves nothing at the server when its session has expired", async () => {
  await using target = listener();
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(
    await startServer({ args: [...PERMIT, "--keep-session", "1"] }),
    endWell,
  );
  const before = descriptorCount(server.pid);
  const args = ["-L", `0:${LOOPBACK}:${target.port}`];
  await using client = await startClient({ at: listensAt(server), args });
  using conns = new DisposableStack();
  for (let i = 0; i < 50; i++) conns.use(await open(portsOf(client)[0]!));
  const count = () => descriptorCount(server.pid);
  await until(() => count() > before + 50, () => `${count()}, ${before} before`);
  client.signal("SIGKILL");
  await until(() => count() <= before + OWN, () => `${count()}, ${before} before`);
});

test("ends with few descriptors turn connections away, and serve on", async () => {
  await using echo = echoer();
  const few: Spawn = (command, args, options) =>
    spawnHere("prlimit", [`--nofile=${FEW}:${FEW}`, "--", command, ...args], options);
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(await startServer({ spawn: few }), endWell);
  const at = listensAt(server);
  const args = ["-L", `0:${LOOPBACK}:${echo.port}`];
  const client = stack.adopt(await startClient({ at, args, spawn: few }), endWell);
  const [port] = portsOf(client);
  {
    using conns = new DisposableStack();
    const outcomes = await Promise.all(Array.from({ length: PROGRAMS }, async () => {
      try {
        const conn = conns.use(await open(port!));
        await writeAll(conn, new Uint8Array(10));
        await readExactly(conn, new Uint8Array(10));
        return true;
      } catch {
        return false; // it was turned away
      }
    }));
    const served = outcomes.filter(Boolean).length;
    assert(served > 10 && served < FEW, `${served} were served`);
  }
  await until(() => descriptorCount(client.pid) < FEW / 2, () => client.output);
  using conn = await open(port!);
  await writeAll(conn, new Uint8Array(10));
  await readExactly(conn, new Uint8Array(10));
});

test("a thousand short connections one after the other leave memory and descriptors as they were", async () => {
  await using echo = echoer();
  await using pair = await openForwards({ client: ["-L", `0:${LOOPBACK}:${echo.port}`] });
  const ends = [pair.server, pair.client];
  const round = async (count: number) => {
    for (let i = 0; i < count; i += 20) {
      await Promise.all(Array.from({ length: 20 }, async () => {
        using conn = await open(pair.ports[0]!);
        await writeAll(conn, new Uint8Array(100));
        await readExactly(conn, new Uint8Array(100));
      }));
    }
  };
  await round(1000); // code and heap find their size
  const before = ends.map(({ pid }) => ({ fds: descriptorCount(pid), mb: rssMb(pid) }));
  await round(1000);
  for (const [i, { pid }] of ends.entries()) {
    const { fds, mb } = before[i]!;
    await until(() => descriptorCount(pid) <= fds, () => `${fds} -> ${descriptorCount(pid)}`);
    assert(rssMb(pid) < mb + 30, `${mb} -> ${rssMb(pid)} MB`);
  }
  for (const end of ends) expectCleanLog(end);
});
