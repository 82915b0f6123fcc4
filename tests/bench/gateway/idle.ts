import type { Host, Process } from "../../netns.ts";
import { rssMb } from "../../proc.ts";
import type { Gateway } from "./ttun.ts";

const SETTLE_MS = 10_000;

export interface IdleFigures {
  readonly what: string;
  /** Kilobytes for each, at the node and at the agent. */
  readonly nodeKb: number;
  readonly agentKb: number;
}

/** Memory for names of one agent that are published and not visited. */
export async function idleTunnels(gateway: Gateway, count: number): Promise<IdleFigures> {
  const before = rssMb(gateway.node.pid);
  const names = Array.from({ length: count }, (_, i) => `idle-${i}=8080`);
  const agent = await gateway.publish(...names);
  await pause();
  const nodeKb = 1000 * (rssMb(gateway.node.pid) - before) / count;
  const agentKb = 1000 * (rssMb(agent.pid) - rssMb(gateway.agent.pid)) / count;
  agent.signal("SIGTERM");
  await agent.status;
  return { what: `${count} idle tunnels of one agent`, nodeKb, agentKb };
}

/** Memory for websockets that say nothing. */
export async function idleSockets(
  host: Host,
  gateway: Gateway,
  count: number,
): Promise<IdleFigures> {
  const file = (name: string) => new URL(name, import.meta.url).pathname;
  await host.sh(
    `for i in $(seq 1 ${Math.ceil(count / 500)}); do ip addr add 127.0.1.$i/32 dev lo; done`,
  );
  const before = [gateway.node, gateway.agent].map(({ pid }) => rssMb(pid)) as [number, number];
  const sockets = ["sh", "-c", 'ulimit -n 60000 2>/dev/null; exec node "$@"', "sh"];
  const start = (...args: string[]): Process =>
    host.spawn(sockets[0]!, [...sockets.slice(1), ...args]);
  await using clients = start(file("idle_sockets.mjs"), String(gateway.port), String(count));
  await clients.waitFor(/^open \d+/m, 600_000);
  const [, open, failed] = /^open (\d+) failed (\d+)/m.exec(clients.stdout)!;
  await pause();
  const after = [gateway.node, gateway.agent].map(({ pid }) => rssMb(pid)) as [number, number];
  const [nodeKb, agentKb] = after.map((mb, i) => 1000 * (mb - before[i]!) / Number(open)) as [
    number,
    number,
  ];
  const what = `${open} idle websockets${failed === "0" ? "" : `, ${failed} failed`}`;
  return { what, nodeKb, agentKb };
}

/** Garbage is collected, and timers have run. */
function pause(): Promise<void> {
  return new Promise((wake) => setTimeout(wake, SETTLE_MS));
}
