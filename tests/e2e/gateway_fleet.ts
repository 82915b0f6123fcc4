import assert from "node:assert/strict";
import { type Host, loss, type Process } from "../netns.ts";
import { bridgedHosts } from "../networks.ts";
import { ttunCommand } from "./forward_pair.ts";
import { until } from "./mesh_cluster.ts";
import { type Machine, machine, MESH_ENV } from "./mesh_machine.ts";

const READY_MS = 60_000;
const file = (name: string) => new URL(name, import.meta.url).pathname;
const GATEWAY = ["--gateway", "443", "--apex", "example.test"];
const NAMES = ["a", "b", "c"];

export interface FleetNode {
  readonly machine: Machine;
  readonly address: string;
  process: Process;
}

/** Numbers of all visits so far. */
export interface Visits {
  readonly requests: number;
  /** Visits whose gateway did not answer, which went on at another one. */
  readonly again: number;
  /** GETs that came to nothing, and POSTs, by their reasons. */
  readonly failed: Readonly<Record<string, number>>;
  readonly unsafe: Readonly<Record<string, number>>;
  /** Those that took a second, and the longest one's milliseconds. */
  readonly slow: number;
  readonly slowest: number;
}

/** Nodes with gateways on hosts of their own, an agent with three names, and visitors. */
export interface Fleet extends AsyncDisposable {
  readonly nodes: readonly FleetNode[];
  readonly agent: Process;
  readonly laptop: Host;
  restart(node: FleetNode): Promise<void>;
  /** Tells the addresses of nodes that the agent is linked to at the moment. */
  linked(): Promise<string[]>;
  /** Has the network swallow the agent's packets, or no more. */
  cut(isCut: boolean): Promise<void>;
  /** Tells what has come of the visits, with the slow ones since this was called before. */
  soFar(): Promise<Visits>;
  /** Ends the visitors, and returns what came of their visits. */
  visits(): Promise<Visits & { readonly lost: number }>;
}

/** `rate`: visits a second. */
export async function gatewayFleet(count: number, rate: number): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const { server, clients } = stack.use(await bridgedHosts(count + 1));
  const hosts = [server, ...clients];
  const [laptop, visitor] = [hosts[count]!, hosts[count + 1]!];
  const nodes: FleetNode[] = [];
  for (const [i, host] of hosts.slice(0, count).entries()) {
    const one = stack.use(await machine(`n${i}`, host));
    const address = `192.0.2.${i + 1}`;
    const place = `--host h${i} --advertise ${address}`;
    const first = nodes[0]?.machine;
    if (first === undefined) {
      const { code, stderr } = await one.mesh(`init ${place}`);
      assert.equal(code, 0, stderr);
    } else {
      const wish = { host: "", roles: ["node", "gateway"], lifetimeMs: 3600_000, uses: 1 };
      const { body } = await first.ask("/v1/invites", "-d", JSON.stringify(wish));
      const env = { TTUN_INVITE: JSON.parse(body).invite };
      const { code, stderr } = await one.mesh(`join ${place}`, { env });
      assert.equal(code, 0, stderr);
    }
    nodes.push({ machine: one, address, process: stack.use(await one.node(...GATEWAY)) });
  }
  const first = nodes[0]!.machine;
  const data = `${first.data}-agent`;
  const agentCommand = (...words: string[]) => ttunCommand("mesh", ...words, "--data", data);
  const invite = (await first.mesh(`invite --names ${NAMES.join(",")}`)).stdout.trim();
  const [enroll, enrollArgs] = agentCommand("enroll", "example.test", "--at", nodes[1]!.address);
  const env = { ...MESH_ENV, TTUN_INVITE: invite };
  // A gateway that has just been started may wait for its certificate, which another node makes.
  const isEnrolled = async () => (await laptop.run(enroll, enrollArgs, { env })).code === 0;
  await until("the agent is enrolled", isEnrolled);
  const target = stack.use(laptop.spawn("node", [file("gateway_fleet_target.mjs")]));
  await target.waitFor(/listening/, READY_MS);
  const [publish, publishArgs] = agentCommand("publish", ...NAMES.map((name) => `${name}=8080`));
  const agent = stack.use(laptop.spawn(publish, publishArgs, { env: MESH_ENV }));
  const links = Math.min(3, count);
  const areLinked = () => Promise.resolve([...agent.output.matchAll(/ Linked /g)].length >= links);
  await until("the agent has its links", areLinked);
  const addresses = nodes.map(({ address }) => address).join(",");
  for (const { address } of nodes) {
    const to = ["--resolve", `a.example.test:443:${address}`, "--cacert", `${first.data}/ca.crt`];
    const isThere = async () => {
      const { stdout } = await visitor.run("curl", ["-s", ...to, "https://a.example.test/"]);
      return stdout === "here\n";
    };
    await until(`the name is known at ${address}`, isThere);
  }
  const words = [
    file("gateway_fleet_visitors.mjs"),
    `${first.data}/ca.crt`,
    String(rate),
    addresses,
  ];
  const visitors = stack.use(visitor.spawn("node", words));
  await visitors.waitFor(/visiting/, READY_MS);
  const kept = stack.move();
  return {
    nodes,
    agent,
    laptop,
    restart: async (node) => {
      node.process = kept.use(await node.machine.node(...GATEWAY));
    },
    linked: async () => {
      const open = await laptop.sh("ss -Htn state established dport = :443");
      return [...open.matchAll(/(192\.0\.2\.\d+):443/g)].map(([, address]) => address!);
    },
    cut: async (isCut) => await loss(laptop, `veth${count - 1}`, isCut ? 1 : 0),
    soFar: async () => {
      const before = visitors.stdout.length;
      visitors.signal("SIGUSR2");
      const told = () => /^so far (.*)$/m.exec(visitors.stdout.slice(before))?.[1];
      await until("the visitors tell", () => Promise.resolve(told() !== undefined));
      return JSON.parse(told()!);
    },
    visits: async () => {
      visitors.signal("SIGTERM");
      await visitors.waitFor(/^result /m, READY_MS);
      const result: Visits = JSON.parse(/^result (.*)$/m.exec(visitors.stdout)![1]!);
      // A POST that failed and has not come to its service could have been sent again.
      let lost = 0;
      for (const [, id] of visitors.stdout.matchAll(/^post \S+ (\S+)$/gm)) {
        const { stdout } = await laptop.run("curl", ["-s", `http://127.0.0.1:8080/seen?${id}`]);
        if (stdout === "0") lost++;
      }
      console.log(visitors.stdout.match(/^failed .*$/gm)?.slice(0, 20).join("\n") ?? "");
      return { ...result, lost };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
