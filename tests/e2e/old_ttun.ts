/** ttun as it was, out of this clone's history. */
import type { Host, Process } from "../netns.ts";
import { ENV, SERVER } from "./tunnel.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** The last commit that spoke version 1 alone. */
const BEFORE_V2 = "96104b4";

/** The last commit whose handshake had no TLV from 80 on. */
export const BEFORE_IDENTITIES = "1149eed";

export class OldTtun implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Null where the clone has no history. */
  static async unpack(commit = BEFORE_V2): Promise<OldTtun | null> {
    const folder = await Deno.makeTempDir();
    const { success, stderr } = await new Deno.Command("sh", {
      args: ["-c", `git archive ${commit} | tar -x -C '${folder}'`],
      cwd: ROOT,
    }).output();
    const old = new OldTtun(folder);
    if (success) {
      await keepProgramsPackages(folder);
      return old;
    }
    console.log(`Skipped: this clone has no history: ${new TextDecoder().decode(stderr)}`);
    await old[Symbol.asyncDispose]();
    return null;
  }

  /** A server that listens. */
  async startServer(host: Host, ...args: string[]): Promise<Process> {
    const server = this.#start(host, "server", ...args);
    await server.waitFor(/listening/);
    return server;
  }

  startClient(host: Host, ...args: string[]): Process {
    return this.#start(host, "client", "-v", "-s", SERVER, ...args);
  }

  #start(host: Host, ...args: string[]): Process {
    const command = ["run", "-A", "--no-prompt", `${this.#folder}/main.ts`, ...args];
    return host.spawn(Deno.execPath(), command, { env: ENV });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/**
 * Leaves in the old deno.json the packages that the program itself imports. Deno fetches all that
 * the old lock file lists, among it old versions of packages of tests, and here there is no network.
 */
async function keepProgramsPackages(folder: string): Promise<void> {
  const path = `${folder}/deno.json`;
  const config = JSON.parse(await Deno.readTextFile(path));
  config.imports = Object.fromEntries(
    Object.entries(config.imports).filter(([name]) => name.startsWith("@noble/")),
  );
  await Deno.writeTextFile(path, JSON.stringify(config));
  await Deno.remove(`${folder}/deno.lock`);
}
