import { deepEqual, equal } from "node:assert/strict";
import type { Result } from "../../src/core/mesh/steps.ts";
import { fleet, settle } from "./fleet.ts";
import { inOrder } from "./ring_checks.ts";
import { SIMULATED_HASHES } from "./hashes.ts";

Deno.test("mesh: in a ring of three nobody has to be asked whose a key is", () => {
  const world = fleet(3);
  settle(world);
  const nodes = inOrder(world);
  for (let i = 0; i < 50; i++) {
    const position = SIMULATED_HASHES.position(`route/host-${i}`);
    const owners = nodes.map((node) => {
      let result: Result | null = null;
      world.ask(node, (ring, id, now) => ring.lookup(id, position, now), (it) => result = it);
      const found = result as Result | null; // nothing has to be waited for
      if (found?.is !== "owner") throw new Error("It was not answered at once");
      equal(found.hops, 0);
      equal(new Set(found.nodes).size, 3);
      return found.nodes[0];
    });
    deepEqual(new Set(owners).size, 1);
  }
});
