import { Host, type Process } from "../netns.ts";
import { ttunCommand } from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";

const READY_MS = 30_000;
export const MESH_ENV = { NO_COLOR: "1" };

export interface Machine extends AsyncDisposable {
  readonly host: Host;
  readonly data: string;
  /** Runs `ttun mesh …` to its end. */
  mesh(words: string, o?: { env?: Record<string, string>; stdin?: { text: string } }): Promise<
    { code: number; stdout: string; stderr: string }
  >;
  /** Asks the node's API at its socket. */
  ask(path: string, ...curl: string[]): Promise<{ status: number; body: string }>;
  /** Starts the node, and waits until it serves. */
  node(...args: string[]): Promise<Process>;
}

/** A host with a folder for a node. `given` stays its owner's; absent = a host of its own. */
export async function machine(name: string, given?: Host): Promise<Machine> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder());
  const host = given ?? stack.use(await Host.create());
  const data = `${folder.path}/${name}`;
  const kept = stack.move();
  return {
    host,
    data,
    mesh: async (words, { env = {}, stdin } = {}) => {
      const [command, args] = ttunCommand("mesh", ...words.split(" "), "--data", data);
      return await host.run(command, args, {
        env: { ...MESH_ENV, ...env },
        ...(stdin !== undefined && { stdin }),
      });
    },
    node: async (...words) => {
      const [command, args] = ttunCommand("mesh", "node", "--data", data, ...words);
      const node = host.spawn(command, args, { env: MESH_ENV });
      await node.waitFor(/ Mesh node /, READY_MS);
      return node;
    },
    ask: async (path, ...args) => {
      const socket = ["-s", "--max-time", "20", "--unix-socket", `${data}/api.sock`];
      const all = [...socket, "-w", " %{http_code}", ...args, `http://localhost${path}`];
      const { stdout } = await host.run("curl", all);
      const at = stdout.lastIndexOf(" ");
      return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
