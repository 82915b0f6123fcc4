/** `ttun up` and `down` after a process was killed that had changed the machine. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { until } from "./forward_pair.ts";
import { runTtun, SERVER, startServer, startTtun } from "./tunnel.ts";

interface World extends AsyncDisposable {
  readonly host: Host;
  readonly name: string;
  readonly file: string;
  /** The rules of the machine that ttun changes, from before any change. */
  readonly before: string;
  /** A log in a folder that is missing has the client fail at its start. */
  write(log?: string): Promise<void>;
}

const CHANGES = "nft list ruleset; ip rule";

/** Two hosts with a server, and a client's configuration with a kill switch. */
async function makeWorld(): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const hosts = opened.use(await twoHosts());
  opened.use(await startServer(hosts.server));
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  opened.defer(() => Deno.remove(folder, { recursive: true }));
  const name = `test-up-${crypto.randomUUID().slice(0, 8)}`;
  opened.defer(async () => void await runTtun(hosts.client, ["down", name]));
  const file = `${folder}/${name}.toml`;
  const write = (log = "log") =>
    Deno.writeTextFile(
      file,
      [
        "[client]",
        `server = "${SERVER}"`,
        "no-warm-up = true",
        "kill-switch = true",
        "default-route = true",
        `log-file = "${folder}/${log}"`,
      ].join("\n"),
      { mode: 0o600 },
    );
  await write();
  const before = await hosts.client.sh(CHANGES);
  const owned = opened.move();
  const dispose = () => owned.disposeAsync();
  return { host: hosts.client, name, file, before, write, [Symbol.asyncDispose]: dispose };
}

/** True for a zombie too: nobody may wait for orphans here. */
function isGone(pid: number): boolean {
  try {
    return /^State:\tZ/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return true;
  }
}

/** Kills a process, and waits until it runs no more. */
async function kill(pid: number): Promise<void> {
  Deno.kill(pid, "SIGKILL");
  await until(() => isGone(pid), () => "it was not killed");
}

/** Expects the kill switch to be there, and `ttun down` to take it away. */
async function expectTakenAway({ host, name, before }: World, pid: number): Promise<void> {
  assert.match(await host.sh("nft list ruleset"), /table inet ttun_/);
  const down = await runTtun(host, ["down", name]);
  assert.equal(down.code, 0, down.stderr);
  assert.match(down.stderr, new RegExp(`took away .*nftables table.*, of process ${pid}`));
  assert.equal(await host.sh(CHANGES), before);
  assert.equal((await runTtun(host, ["down", name])).code, 4);
}

async function bringUp({ host, file }: World): Promise<number> {
  const up = await runTtun(host, ["up", file]);
  assert.equal(up.code, 0, up.stderr);
  return Number(/\(process (\d+)/.exec(up.stdout)![1]);
}

test("down: ends nothing that was killed, but takes away what it has left, the kill switch too", async () => {
  await using world = await makeWorld();
  const pid = await bringUp(world);
  await kill(pid);
  await expectTakenAway(world, pid);
});

test("up: one that fails keeps the record of what was killed before, for down to take away", async () => {
  await using world = await makeWorld();
  const pid = await bringUp(world);
  await kill(pid);
  await world.write("none/log");
  const again = await runTtun(world.host, ["up", world.file]);
  assert.equal(again.code, 2, again.stderr);
  assert.match(again.stderr, /left changes on this machine.*; ttun down \S+ takes them away$/m);
  await expectTakenAway(world, pid);
});

test("up --foreground: a kill switch outlives a client that was killed, until down", async () => {
  await using world = await makeWorld();
  await using up: Process = startTtun(world.host, "up", world.file, "--foreground");
  const pid = await childOf(up, world);
  await kill(pid);
  assert.equal((await up.status).code, 137, up.output);
  assert.match(up.output, /left changes on this machine/);
  await expectTakenAway(world, pid);
});

test("up --foreground: an end by a signal takes away what an earlier run has left too", async () => {
  await using world = await makeWorld();
  await kill(await bringUp(world));
  await using up: Process = startTtun(world.host, "up", world.file, "--foreground");
  await childOf(up, world);
  up.signal("SIGTERM");
  assert.equal((await up.status).code, 0, up.output);
  assert.equal(await world.host.sh(CHANGES), world.before, up.output);
  assert.equal((await runTtun(world.host, ["down", world.name])).code, 4);
});

/** Returns the process of the client when it is up. */
async function childOf(up: Process, { name }: World): Promise<number> {
  const state = () => {
    try {
      return Deno.readTextFileSync(`/run/ttun/up/${name}.json`);
    } catch {
      return "";
    }
  };
  const pids = () => [...state().matchAll(/"pid":(\d+)/g)].map(([, pid]) => Number(pid));
  const living = () => pids().find((pid) => !isGone(pid));
  await until(() => living() !== undefined, () => up.output);
  return living()!;
}
