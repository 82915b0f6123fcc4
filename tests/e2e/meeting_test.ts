import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { NatKind } from "../nat_lab.ts";
import type { Host, Process } from "../netns.ts";
import { VIA, type ViaLab, viaLab } from "../via_lab.ts";
import { ENV, ttunCommand } from "./tunnel.ts";

const END = new URL("./meeting_end.ts", import.meta.url).pathname;
const MS = 30_000;
const PORTS = ["7001", "7002"];

async function startVia(lab: ViaLab, ...args: string[]): Promise<Process> {
  const [command, all] = ttunCommand("server", "--no-tun", "-l", `${VIA}:20203`, ...args);
  await using stack = new AsyncDisposableStack();
  const server = stack.use(lab.server.spawn(command, all, { env: ENV }));
  await server.waitFor(/ listening /, MS);
  stack.move();
  return server;
}

function startEnd(host: Host, role: "listens" | "dials", port: string): Process {
  const id = "00112233445566778899aabbccddeeff";
  return host.spawn(Deno.execPath(), ["run", "-A", END, role, `${VIA}:20203`, id, port]);
}

async function connect(kinds: [NatKind, NatKind], ...args: string[]) {
  await using lab = await viaLab(...kinds);
  await using server = await startVia(lab, ...args);
  await using listens = startEnd(lab.hosts[0], "listens", PORTS[0]!);
  await listens.waitFor(/public address/, MS);
  await using dials = startEnd(lab.hosts[1], "dials", PORTS[1]!);
  const { code } = await dials.status;
  await dials.closed;
  return { code, dials: dials.output, listens: listens.output, server: server.output };
}

test("meeting: two NATs that let in what was asked for alone: a direct connection", async () => {
  const got = await connect(["port-restricted", "port-restricted"], "--permit-relay");
  assert.equal(got.code, 0, `${got.dials}\n---\n${got.listens}`);
  assert.match(got.dials, /3000000 bytes are back/);
  assert.doesNotMatch(got.dials + got.server, /relay/);
});

test("meeting: two NATs that change ports: through the server, where it permits that", async () => {
  const got = await connect(["remapping", "remapping"], "--permit-relay");
  assert.equal(got.code, 0, `${got.dials}\n---\n${got.listens}`);
  assert.match(got.dials, /3000000 bytes are back/);
  assert.match(got.dials, /warn no direct connection: it goes through the relay/);
  assert.match(got.server, /relaying between two clients/);
});
