/** A node of ttun mesh with a gateway, and an agent, which are the visitor's way to the services. */
import type { Host, Process } from "../../netns.ts";
import { MAIN } from "../ttun.ts";
import { type Contender, NAME, PAGE_PORT, UPLOAD_NAME, UPLOAD_PORT } from "./contender.ts";

const PORT = 8443;
const READY_MS = 60_000;
const ENV = { NO_COLOR: "1" };

export interface Gateway extends Contender, AsyncDisposable {
  readonly node: Process;
  readonly agent: Process;
  /** Milliseconds from the start of `ttun mesh publish` to the first answer. */
  readonly publishMs: number;
  /** Publishes more names by another process. */
  publish(...words: string[]): Promise<Process>;
}

export async function ttunGateway(host: Host, folder: string): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const [data, agentData] = [`${folder}/node`, `${folder}/agent`];
  const args = (words: readonly string[]) => ["run", "-A", MAIN, "mesh", ...words];
  const run = async (words: readonly string[], env: Record<string, string> = {}) => {
    const o = { env: { ...ENV, ...env } };
    const { code, stdout, stderr } = await host.run(Deno.execPath(), args(words), o);
    if (code !== 0) throw new Error(`ttun mesh ${words[0]} failed: ${stderr}`);
    return stdout.trim();
  };
  await run(["init", "--data", data, "--host", "h", "--advertise", "127.0.0.1"]);
  const words = [
    ...["node", "--data", data, "--gateway", `127.0.0.1:${PORT}`, "--apex", "example.test"],
    ...["--access-log", "text", "--log-file", `${folder}/node.log`],
  ];
  // Its log of requests goes to a file, as the others' do.
  const script = `exec "$0" "$@" >${folder}/access.log`;
  const command = ["-c", script, Deno.execPath(), ...args(words)];
  const node = stack.use(host.spawn("sh", command, { env: ENV }));
  await untilSays(`${folder}/node.log`, / Mesh node /);
  const invite = await run(["invite", "--data", data, "--names", "*", "--quota", "1000"]);
  const enroll = ["enroll", "example.test", "--at", `127.0.0.1:${PORT}`, "--data", agentData];
  await run(enroll, { TTUN_INVITE: invite });
  const start = (words: readonly string[]) =>
    host.spawn(Deno.execPath(), args(["publish", ...words, "--data", agentData]), { env: ENV });
  const began = performance.now();
  const agent = stack.use(start([`shop=${PAGE_PORT}`, `up=${UPLOAD_PORT}`]));
  const ask = ["-sk", "--resolve", `${NAME}:${PORT}:127.0.0.1`, `https://${NAME}:${PORT}/`];
  while (!(await host.run("curl", ask)).stdout.startsWith("hello")) {
    await new Promise((wake) => setTimeout(wake, 20));
  }
  const publishMs = performance.now() - began;
  const kept = stack.move();
  return {
    ...{ name: "ttun: node, agent", port: PORT, processes: [node, agent], publishMs },
    upload: `${UPLOAD_NAME} /up`,
    ...{ node, agent },
    publish: async (...words) => {
      const more = kept.use(start(words));
      await more.waitFor(/^https:\/\//m, READY_MS);
      return more;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function untilSays(path: string, what: RegExp): Promise<void> {
  for (const end = Date.now() + READY_MS; Date.now() < end;) {
    try {
      if (what.test(await Deno.readTextFile(path))) return;
    } catch {
      // It is not there yet.
    }
    await new Promise((wake) => setTimeout(wake, 100));
  }
  throw new Error(`${path} does not say ${what}`);
}
