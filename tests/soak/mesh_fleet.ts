/** Nodes of one mesh as processes on several hosts, to be hurt. */
import assert from "node:assert/strict";
import type { Host, Process } from "../netns.ts";
import { bridgedHosts } from "../networks.ts";
import { MESH_ENV } from "../e2e/mesh_machine.ts";
import { ttunCommand } from "../e2e/forward_pair.ts";
import { makeFolder } from "../e2e/proxy_files.ts";

const READY_MS = 60_000;
/** Longer than a node that is dead stays unnoticed. */
const CALM_MS = 3000;
const FIRST_PORT = 20204;

export interface Health {
  readonly ring: string;
  readonly core: string;
  readonly copies: number;
}

/** One node: its place, its folder, and the process while it runs. */
export class FleetNode {
  readonly name: string;
  readonly host: Host;
  readonly hostIndex: number;
  readonly address: string;
  readonly data: string;
  readonly #listen: readonly string[];
  readonly #client: Deno.HttpClient;
  #process: Process | null = null;
  #args: readonly string[] = [];
  /** True while it answers, as far as the test knows. */
  isWell = false;

  constructor(folder: string, index: number, hostIndex: number, host: Host, port: number) {
    this.name = `n${index}`;
    this.host = host;
    this.hostIndex = hostIndex;
    this.address = `192.0.2.${hostIndex + 1}:${port}`;
    this.data = `${folder}/${this.name}`;
    this.#listen = ["--listen", `0.0.0.0:${port}`, "--join-listen", `0.0.0.0:${port + 1}`];
    const path = `${this.data}/api.sock`;
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
  }

  get process(): Process {
    if (this.#process === null) throw new Error(`${this.name} does not run`);
    return this.#process;
  }

  /** Options of `init` and `join`. */
  get place(): string[] {
    return ["--host", `h${this.hostIndex}`, "--advertise", this.address];
  }

  async mesh(words: readonly string[], env: Record<string, string> = {}): Promise<string> {
    const [command, args] = ttunCommand("mesh", ...words, "--data", this.data);
    const ran = await this.host.run(command, args, {
      env: { ...MESH_ENV, ...env },
      timeoutMs: READY_MS,
    });
    assert.equal(ran.code, 0, `${words.join(" ")}: ${ran.stderr}`);
    return ran.stdout;
  }

  /** Starts it, with the arguments of before if none are given. */
  async start(args: readonly string[] = this.#args): Promise<void> {
    this.#args = args;
    const [command, all] = ttunCommand(
      "mesh",
      "node",
      ...["--data", this.data],
      ...this.#listen,
      ...args,
    );
    this.#process = this.host.spawn(command, all, { env: MESH_ENV });
    await this.#process.waitFor(/ Mesh node /, READY_MS);
    this.isWell = true;
  }

  async kill(): Promise<void> {
    this.isWell = false;
    this.process.signal("SIGKILL");
    await this.process.status;
    this.#process = null;
  }

  /** The node forgets its records, and what it knows of the ring. */
  async loseDisk(): Promise<void> {
    for await (const { name } of Deno.readDir(this.data)) {
      if (name.startsWith("ring.db")) await Deno.remove(`${this.data}/${name}`);
    }
  }

  async ask(path: string, o: RequestInit & { ms?: number } = {}): Promise<Response> {
    const { ms = 5000, ...rest } = o;
    return await fetch(`http://localhost${path}`, {
      ...rest,
      client: this.#client,
      signal: AbortSignal.timeout(ms),
    });
  }

  /** Null where it does not answer. */
  async health(): Promise<Health | null> {
    try {
      return await (await this.ask("/v1/health", { ms: 2000 })).json();
    } catch {
      return null;
    }
  }

  close(): void {
    this.#client.close();
  }

  async end(): Promise<void> {
    if (this.#process === null) return;
    this.#process.signal("SIGCONT");
    await this.#process[Symbol.asyncDispose]();
  }
}

export interface Fleet extends AsyncDisposable {
  readonly nodes: readonly FleetNode[];
  readonly hosts: readonly Host[];
  /** Nodes of a host. */
  on(host: number): FleetNode[];
  /**
   * Waits until all that are well see a stable ring, and go on doing so for CALM_MS. Returns how many
   * milliseconds the first of that took.
   */
  settled(copies: number, ms: number): Promise<number>;
}

/**
 * Makes what the first node needs before it starts, which has its folder then. Returns arguments for
 * all nodes.
 */
export type Prepare = (
  first: FleetNode,
  disposables: AsyncDisposableStack,
) => Promise<readonly string[]>;

/** Makes a cluster of `count` nodes on `hosts` hosts, and waits until it is one ring. */
export async function startFleet(
  count: number,
  hosts: number,
  prepare: Prepare = () => Promise.resolve([]),
): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const bridged = stack.use(await bridgedHosts(hosts - 1));
  const all = [bridged.server, ...bridged.clients];
  const folder = stack.use(await makeFolder());
  const nodes = Array.from({ length: count }, (_, i) => {
    const port = FIRST_PORT + 10 * Math.floor(i / hosts);
    return new FleetNode(folder.path, i, i % hosts, all[i % hosts]!, port);
  });
  for (const node of nodes) stack.defer(() => node.close());
  stack.defer(async () => void await Promise.all(nodes.map((node) => node.end())));
  const [first, ...others] = nodes as [FleetNode, ...FleetNode[]];
  const joinAt = `192.0.2.1:${FIRST_PORT + 1}`;
  await first.mesh(["init", ...first.place, "--join-at", joinAt]);
  const args = await prepare(first, stack);
  await first.start(args);
  const wish = { host: "", roles: ["node"], lifetimeMs: 3_600_000, uses: count };
  const asked = await first.ask("/v1/invites", { method: "POST", body: JSON.stringify(wish) });
  const { invite } = await asked.json();
  for (const node of others) {
    await node.mesh(["join", "--roles", "node", ...node.place], { TTUN_INVITE: invite });
    await node.start(args);
  }
  const fleet = { nodes, hosts: all, on, settled };
  function on(host: number): FleetNode[] {
    return nodes.filter(({ hostIndex }) => hostIndex === host);
  }
  async function settled(copies: number, ms: number): Promise<number> {
    const begin = Date.now();
    for (let since: number | null = null;;) {
      const well = nodes.filter(({ isWell }) => isWell);
      const seen = await Promise.all(well.map((node) => node.health()));
      const isStable = seen.every((it) => it?.ring === "stable" && it.copies === copies);
      since = isStable ? since ?? Date.now() : null;
      if (since !== null && Date.now() - since >= CALM_MS) return since - begin;
      if (Date.now() - begin > ms) {
        const told = well.map(({ name }, i) => `${name} ${JSON.stringify(seen[i])}`).join("; ");
        throw new Error(`The ring is not stable after ${ms} ms: ${told}`);
      }
      await new Promise((wake) => setTimeout(wake, 100));
    }
  }
  await settled(Math.min(3, hosts), READY_MS);
  const kept = stack.move();
  return { ...fleet, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
