import assert from "node:assert/strict";
import { test } from "../check.ts";
import { otherClock } from "./other_clock.ts";
import {
  endWell,
  LOOPBACK,
  portOf,
  type Process,
  run,
  type Spawn,
  spawnHere,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { serveWeb } from "./proxy_web.ts";

/** By another clock than ours. */
function withClock(minutes: number): Spawn {
  const clock = otherClock(60 * minutes);
  return (command, args, options) =>
    spawnHere(command, args, { ...options, env: { ...options?.env, ...clock } });
}

async function load(client: Process, url: string) {
  const args = ["-sS", "--max-time", "20", "-x", `socks5h://${LOOPBACK}:${portOf(client)}`, url];
  return await run("curl", args);
}

test("a client whose clock is up to two minutes off is served, and told when it matters", async () => {
  await using web = serveWeb();
  await using stack = new AsyncDisposableStack();
  stack.adopt(await startServer(), endWell);
  for (
    const [minutes, wire] of [[1, "v1"], [-1, "v1"], [2, "v1"], [-2, "v1"], [1.9, "v2"], [
      -1.9,
      "v2",
    ]] as const
  ) {
    const args = ["--wire", wire];
    const client = stack.adopt(await startClient({ args, spawn: withClock(minutes) }), endWell);
    for (let i = 0; i < 3; i++) {
      const { stdout, stderr } = await load(client, `http://${web.at}/hello`);
      assert.equal(stdout, "hello\n", `${wire}, ${minutes} min: ${stderr}${client.output}`);
    }
    const told = [...client.output.matchAll(/warn {2}the clocks differ .*server_is="(.*)"/g)]
      .map(([, words]) => words);
    // One minute is nothing to the server; and a minute may have begun since.
    const side = minutes > 0 ? "behind" : "ahead";
    if (Math.abs(minutes) === 2) assert.deepEqual(told, [`more than 1 min ${side}`]);
    else assert(told.length <= 1);
  }
});

test("a client whose clock is ten minutes off is told what may be wrong", async () => {
  await using stack = new AsyncDisposableStack();
  stack.adopt(await startServer(), endWell);
  const client = stack.adopt(await startClient({ spawn: withClock(10) }), endWell);
  const { code } = await load(client, `http://${LOOPBACK}:1/`);
  assert.equal(code, 97);
  await client.waitFor(/no way to the server .*clock/);
});
