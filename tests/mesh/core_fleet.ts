import { CoreClient, CoreHistory, numberOf } from "./core_client.ts";
import { CoreHost } from "./core_host.ts";
import { checkNeighbours } from "./ring_checks.ts";
import { World } from "./world.ts";

export interface CoreWorld {
  readonly world: World;
  readonly host: CoreHost;
  readonly history: CoreHistory;
  readonly clients: CoreClient[];
}

/** Five nodes, of which two may have the core, and the first has it. */
export function coreWorld(seed: number): CoreWorld {
  const world = new World({ seed, check: checkNeighbours });
  for (let i = 0; i < 5; i++) {
    const node = world.add({ seeds: [0, 1, 2], roles: i < 2 ? ["node", "core"] : ["node"] });
    node.rate = 0.996 + 0.002 * i;
  }
  for (const node of world.nodes) world.start(node);
  const host = new CoreHost(world, world.nodes[0]!);
  const history = new CoreHistory();
  const places = world.nodes.slice(0, 2);
  const clients = world.nodes.map((node) => new CoreClient(host, node, { history, places }));
  return { world, host, history, clients };
}

/** Throws where what the core has is not what its answers have said. */
function mustAgree({ host, history }: CoreWorld): void {
  const row = host.state.rows.find(({ key }) => key === "name/count");
  const count = numberOf(row?.value);
  const { counted, unknown } = history;
  if (count < counted || count > counted + unknown) {
    throw new Error(
      `The count is ${count}: ${counted} were acknowledged, of ${unknown} none knows`,
    );
  }
  if ((row?.rev ?? 0) < history.newest) throw new Error("An acknowledged write is lost");
}

/** Ends what the clients do, and looks whether all of it agrees with the core. */
export function finish(sim: CoreWorld): void {
  for (const client of sim.clients) client.stop();
  sim.world.pass(5000);
  mustAgree(sim);
}
