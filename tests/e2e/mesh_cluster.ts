import assert from "node:assert/strict";
import { bridgedHosts } from "../networks.ts";
import type { Process } from "../netns.ts";
import { type Machine, machine } from "./mesh_machine.ts";

/** Until something has come about, on a machine that is busy. */
export const SETTLE_MS = 60_000;

export interface MeshNodeHost {
  readonly machine: Machine;
  process: Process;
}

/** Nodes of one cluster on hosts of their own, each of which may have the core; the first one has it. */
export interface MeshCluster extends AsyncDisposable {
  readonly nodes: readonly MeshNodeHost[];
  /** Starts a node again that has ended. */
  restart(index: number): Promise<void>;
}

export async function startCluster(count: number): Promise<MeshCluster> {
  await using stack = new AsyncDisposableStack();
  const { server, clients } = stack.use(await bridgedHosts(count - 1));
  const nodes: MeshNodeHost[] = [];
  for (const [i, host] of [server, ...clients].entries()) {
    const one = stack.use(await machine(`n${i}`, host));
    const place = `--host h${i} --advertise 192.0.2.${i + 1}`;
    if (i === 0) {
      const { code, stderr } = await one.mesh(`init ${place}`);
      assert.equal(code, 0, stderr);
    } else await join(one, nodes[0]!.machine, place);
    nodes.push({ machine: one, process: stack.use(await one.node()) });
  }
  for (const { machine } of nodes) await until("stable", () => isStable(machine, count));
  const kept = stack.move();
  return {
    nodes,
    async restart(index) {
      const node = nodes[index]!;
      node.process = kept.use(await node.machine.node());
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function join(one: Machine, first: Machine, place: string): Promise<void> {
  const roles = ["node", "core", "gateway"];
  const wish = JSON.stringify({ host: "", roles, lifetimeMs: 3600_000, uses: 1 });
  const { invite } = JSON.parse((await first.ask("/v1/invites", "-d", wish)).body);
  const env = { TTUN_INVITE: invite };
  const { code, stderr } = await one.mesh(`join --roles ${roles} ${place}`, { env });
  assert.equal(code, 0, stderr);
}

export async function until(what: string, isRight: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + SETTLE_MS; Date.now() < end;) {
    if (await isRight()) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  assert.fail(`it did not come about: ${what}`);
}

async function isStable(node: Machine, copies: number): Promise<boolean> {
  const { status, body } = await node.ask("/v1/health");
  const health = status === 200 ? JSON.parse(body) : {};
  return health.ring === "stable" && health.core === "ok" && health.copies === copies;
}

/** Returns the status. */
export async function put(
  node: Machine,
  key: string,
  value: string,
  ...o: string[]
): Promise<number> {
  return (await node.ask(`/v1/kv/${key}`, "-X", "PUT", "-d", value, ...o)).status;
}

export async function get(node: Machine, key: string): Promise<string | null> {
  const { status, body } = await node.ask(`/v1/kv/${key}`);
  return status === 200 ? body : null;
}
