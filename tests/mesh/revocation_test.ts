import { equal } from "node:assert/strict";
import { fromHex, toHex } from "../../src/base/bytes.ts";
import { revocationKey, Revocations } from "../../src/core/mesh/admission/revocations.ts";
import { CoreClient } from "./core_client.ts";
import { type CoreWorld, coreWorld } from "./core_fleet.ts";
import { read, settle, write } from "./fleet.ts";
import { faultOfCopies } from "./record_checks.ts";
import type { SimulatedNode } from "./world.ts";

const LOOK_MS = 500;

/** Has every node follow `revoked/` in the core, and refuse links of those that are there. */
function follow({ world, host, history }: CoreWorld): void {
  const seen = new Map<SimulatedNode, Revocations>();
  for (const node of world.nodes) {
    const revocations = new Revocations((id) => {
      world.act(node, (ring, now) => ring.refused(toHex(id), now));
    });
    seen.set(node, revocations);
    const client = new CoreClient(host, node, { history, places: world.nodes.slice(0, 2) });
    let from = 0;
    const look = () => {
      client.ask({ type: "changes", prefix: "revoked/", from }, (answer) => {
        if (answer?.type !== "changes") return;
        from = answer.cursor;
        for (const { key, entry } of answer.changes) {
          if (entry === null) revocations.remove(key);
          else revocations.add(key);
        }
      });
      world.at(world.now + LOOK_MS, look);
    };
    look();
  }
  world.refuses = (node, other) => seen.get(node)!.isRevoked(fromHex(other.key));
}

for (const isCutOff of [false, true]) {
  const when = isCutOff ? "while the core is cut off from most" : "while it is linked";
  Deno.test(`mesh: a node that is revoked ${when} is out of the ring within seconds`, () => {
    const sim = coreWorld(4);
    const { world, host, history } = sim;
    settle(world);
    follow(sim);
    for (let i = 0; i < 20; i++) write(world, world.nodes[i % 5]!, `kv/r${i}/x`, `${i}`);
    world.pass(3000);
    const [core, thief] = [world.nodes[0]!, world.nodes[4]!];
    const others = world.nodes.slice(0, 4);
    const heal = isCutOff ? world.network.part([0], [1, 2, 3], true) : () => {};
    const operator = new CoreClient(host, core, { history, places: [core] });
    const key = revocationKey(fromHex(thief.key));
    let isRevoked = false;
    operator.ask({ type: "put", key, value: new Uint8Array() }, (answer) => {
      isRevoked = answer?.type === "written";
    });
    world.pass(isCutOff ? 10_000 : 100);
    equal(isRevoked, true);
    heal();
    const knows = (node: SimulatedNode) => {
      const { list, pred } = node.ring!.neighbours();
      return list.includes(thief.key) || pred === thief.key;
    };
    const ms = world.passUntil(() => !others.some(knows), 20_000);
    equal(ms !== null && ms < (isCutOff ? 20_000 : 3000), true, `${ms} ms`);
    // It writes nothing that others would ever have, and the copies that it had are made anew.
    const stolen = write(world, thief, "kv/stolen/x", "1");
    equal(stolen.is === "failed" && stolen.reason, "unavailable");
    world.crash(thief);
    const again = world.passUntil(() => faultOfCopies(world) === null, 30_000);
    equal(again !== null, true, faultOfCopies(world) ?? "");
    for (let i = 0; i < 20; i++) {
      equal(read(world, others[i % 4]!, `kv/r${i}/x`), `${i}`, `key ${i}`);
    }
  });
}
