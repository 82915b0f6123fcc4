import type { Host } from "../../netns.ts";
import { MAIN } from "../ttun.ts";
import type { TunnelEnd } from "../contender.ts";
import type { RunningStore, StoreContender } from "./contender.ts";
import { until } from "./until.ts";

const NODES = 3;
const API_PORT = 20206;
const READY_MS = 60_000;
const ENV = { NO_COLOR: "1" };

/** Three nodes on three hosts, each with the API at an address of its own. */
export const mesh: StoreContender = {
  name: "ttun mesh, 3 nodes",
  promises: {
    "soft get": "any copy; eventual",
    "soft put": "in the memory of two hosts; lost only if both and the one asked die at once",
    "durable get": "the newest of two of three copies; eventual across changes of members",
    "durable put": "on the disks of three hosts, each synced; newest wins, no conditions",
    "strong get": "linearizable, of the core (one node)",
    "strong put": "linearizable, on the core's one disk, synced",
  },
  start: startMesh,
};

async function startMesh(host: Host, folder: string): Promise<RunningStore> {
  const data = (i: number) => `${folder}/n${i}`;
  const address = (i: number) => `127.0.0.${i + 1}`;
  const run = async (words: string[], env: Record<string, string> = {}) => {
    const args = ["run", "-A", MAIN, "mesh", ...words];
    const { code, stdout, stderr } = await host.run(Deno.execPath(), args, {
      env: { ...ENV, ...env },
    });
    if (code !== 0) throw new Error(`ttun mesh ${words[0]} failed: ${stderr}`);
    return stdout.trim();
  };
  const start = async (i: number): Promise<TunnelEnd> => {
    const process = host.spawn(Deno.execPath(), [
      ...["run", "-A", MAIN, "mesh", "node", "--data", data(i), "--listen", `${address(i)}:20204`],
      ...["--join-listen", `${address(i)}:20205`, "--api", `${address(i)}:${API_PORT}`],
    ], { env: ENV });
    await process.waitFor(/ Mesh node /, READY_MS);
    return { process, program: Deno.execPath() };
  };
  const placeOf = (i: number) => [
    ...["--data", data(i), "--host", `h${i}`, "--advertise", address(i)],
  ];
  await run(["init", ...placeOf(0)]);
  const ends = [await start(0)];
  for (let i = 1; i < NODES; i++) {
    const invite = await run(["invite", "--data", data(0)]);
    await run(["join", ...placeOf(i)], { TTUN_INVITE: invite });
    ends.push(await start(i));
  }
  for (let i = 0; i < NODES; i++) await settled(host, data(i));
  const asked = NODES - 1; // it has no core
  const token = await run([
    "token",
    "add",
    "--verbs",
    "get,put",
    "--prefix=",
    "--data",
    data(asked),
  ]);
  const at = { protocol: "mesh", hostname: address(asked), port: API_PORT, token } as const;
  return { ends, at };
}

/** Waits until a node sees a ring that keeps three copies, and the core. */
async function settled(host: Host, data: string): Promise<void> {
  const args = ["-s", "--unix-socket", `${data}/api.sock`, "http://localhost/v1/health"];
  await until("the ring settles", async () => {
    const { code, stdout } = await host.run("curl", args);
    const health = code === 0 ? JSON.parse(stdout) : {};
    return health.ring === "stable" && health.core === "ok" && health.copies === NODES;
  });
}
