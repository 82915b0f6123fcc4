import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { NatKind } from "../nat_lab.ts";
import type { Process } from "../netns.ts";
import { together } from "../together.ts";
import { VIA, type ViaLab, viaLab } from "../via_lab.ts";
import { filesOf, makeFiles, NO_KEY, startPipe } from "./peers.ts";
import { ENV, KEY, ttunCommand } from "./tunnel.ts";

const MS = 60_000;

async function startVia(lab: ViaLab, ...args: string[]): Promise<Process> {
  const [command, all] = ttunCommand("server", "--no-tun", "-l", `${VIA}:20203`, ...args);
  await using stack = new AsyncDisposableStack();
  const server = stack.use(lab.server.spawn(command, all, { env: ENV }));
  await server.waitFor(/ listening /, MS);
  stack.move();
  return server;
}

/** Runs both ends to their ends; the first one prints the ticket. */
async function run(kinds: [NatKind, NatKind], server: string[], args: string[] = []) {
  await using lab = await viaLab(...kinds);
  await using _server = await startVia(lab, ...server);
  await using files = await makeFiles(3_000_000, 5_000_000);
  await Deno.writeTextFile(`${files.path}/key`, KEY, { mode: 0o600 });
  const via = ["-v", "--via", VIA, "--via-key-file", `${files.path}/key`];
  await using first = startPipe(lab.hosts[0], filesOf(files, 0), ["listen", ...via]);
  await first.waitFor(/ttun peer connect peer:[\w-]+ --via /, MS);
  const [, ticket] = /ttun peer connect (peer:[\w-]+) --via /.exec(first.output)!;
  // The other end names the server by a link, from the environment.
  const link = `ttun://${encodeURIComponent(KEY)}@${VIA}:20203`;
  const env = { ...NO_KEY, TTUN_TICKET: ticket!, TTUN_VIA: link };
  const all = ["connect", "-v", ...args];
  await using second = startPipe(lab.hosts[1], filesOf(files, 1), all, env);
  const { code } = await second.status;
  await second.closed;
  if (code === 0) {
    assert.equal((await first.status).code, 0, first.output);
    await files.expectSame();
  }
  assert(!second.output.includes(KEY) && !first.output.includes(KEY));
  return { code, first: first.output, second: second.output };
}

test("peer --via: two NATs that let in what was asked for alone: a direct connection", async () => {
  const got = await run(["port-restricted", "port-restricted"], ["--permit-relay"]);
  assert.equal(got.code, 0, `${got.first}\n---\n${got.second}`);
  assert.doesNotMatch(got.second, /relay/);
});

const undirect = together("peer --via: without a direct way, or a server");

undirect(
  "peer --via: two NATs that change ports: through the server, end to end encrypted, and it is said",
  async () => {
    const got = await run(["remapping", "remapping"], ["--permit-relay"]);
    assert.equal(got.code, 0, `${got.first}\n---\n${got.second}`);
    for (const output of [got.first, got.second]) {
      assert.match(output, /warn.*no direct connection: it goes through the relay of the server/);
    }
  },
);

undirect(
  "peer --via: without a relay it says why there is no way, and what would help",
  async () => {
    const got = await run(["remapping", "remapping"], []);
    assert.equal(got.code, 4, `${got.first}\n---\n${got.second}`);
    assert.match(got.second, /both NATs change ports.*a relay would help \(--permit-relay at /);
  },
);

undirect(
  "peer --via: a server that is not there, or has another key, is told by the end that listens",
  async () => {
    await using lab = await viaLab("open", "open");
    await using files = await makeFiles(10, 10);
    const start = (...args: string[]) =>
      startPipe(lab.hosts[0], filesOf(files, 0), ["listen", ...args]);
    await Deno.writeTextFile(`${files.path}/key`, "another key than the server's", { mode: 0o600 });
    const via = ["--via", VIA, "--via-key-file", `${files.path}/key`];
    await using end = start(...via);
    await end.waitFor(/warn.*Cannot connect to .*retry_in_seconds=/, MS);
    await end.waitFor(/ttun peer connect peer:[\w-]+ --via /, MS);
    await using _server = await startVia(lab);
    // Another end, as the pauses of the first one have grown.
    await using late = start(...via);
    await late.waitFor(/warn.*Cannot authenticate with .*retry_in_seconds=/, MS);
    await using unused = start("--via-key-file", `${files.path}/key`);
    assert.equal((await unused.status).code, 2);
    await unused.closed;
    assert.match(unused.output, /Cannot use --via-key-file without --via/);
  },
);
