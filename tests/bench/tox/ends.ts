/** Ends of a link over Tox between processes of one host, and the forward through it. */
import type { Host, Process } from "../../netns.ts";
import { ENV, ttunArgs } from "../ttun.ts";

/** Milliseconds for two nodes to find each other: ten seconds as a rule, forty seen. */
export const LINK_MS = 120_000;
export const READY_MS = 30_000;

/** Where the forward listens, and its target. */
export const FORWARD = { port: 8000, targetPort: 7000 } as const;

const NODE_PORT = 40_000;
const SECRET = "a secret for the benchmark";

export interface Link {
  readonly server: Process;
  readonly client: Process;
  /** Seconds from the start of the client until the link is there. */
  readonly connected: number;
}

/** Path of a script that stands beside this file. */
export function script(name: string): string {
  return new URL(name, import.meta.url).pathname;
}

/** Ways to carry a forward over Tox, by name. */
export interface ToxContender {
  readonly name: string;
  /** Starts both ends, which end with the host. */
  start(host: Host, folder: string): Promise<Link>;
}

/** Starts the network that the ends find each other by; returns the file with its list. */
export async function startNetwork(host: Host, folder: string): Promise<string> {
  const file = `${folder}/nodes`;
  const args = ["run", "-A", script("node.ts"), `${NODE_PORT}`, file];
  await host.spawn(Deno.execPath(), args).waitFor(/ready/, READY_MS);
  return file;
}

/** The forward of tuntox's wire. */
export const tuntoxWire: ToxContender = {
  name: "ttun tox -L",
  async start(host, folder) {
    const nodes = await startNetwork(host, folder);
    const env = { TUNTOX_SHARED_SECRET: SECRET, STATE_DIRECTORY: ENV.STATE_DIRECTORY };
    const spawn = (port: number, ...args: string[]) => {
      const common = ["-v", "-b", nodes, "-u", `${port}`];
      return host.spawn(Deno.execPath(), ttunArgs("tox", ...common, ...args), { env });
    };
    const server = spawn(40_001, "-C", `${folder}/server`, "--permit-open", "127.0.0.1");
    const [, id] = await server.waitFor(/Tox server.* id=([0-9A-F]{76})/, READY_MS);
    const began = performance.now();
    const { port, targetPort } = FORWARD;
    const client = spawn(40_002, "-i", id!, "-L", `${port}:127.0.0.1:${targetPort}`);
    await client.waitFor(/server is online/, LINK_MS);
    return { server, client, connected: (performance.now() - began) / 1000 };
  },
};
