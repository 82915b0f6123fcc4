/**
 * Leftovers of a test run on the machine: processes, and network namespaces with a name. Only those
 * with the run's mark are its own: other programs make and leave things meanwhile.
 */

import { textOf } from "./child.ts";

/** Every process that descends from the run has this in its environment. */
export const MARK = "TTUN_TEST_RUN";
const GRACE_MS = 2000;

export class Leftovers {
  /** The environment for what the run starts. */
  readonly env = { [MARK]: crypto.randomUUID() };
  readonly #found: string[] = [];

  /** Ends what `who` has left running, and remembers it. */
  async sweep(who: string): Promise<void> {
    const deadline = Date.now() + GRACE_MS;
    let pids = this.#processes();
    while (pids.length > 0 && Date.now() < deadline) {
      await new Promise((wake) => setTimeout(wake, 50));
      pids = this.#processes();
    }
    for (const pid of pids) {
      const line = read(() => Deno.readTextFileSync(`/proc/${pid}/cmdline`));
      this.#found.push(`after ${who}: process ${pid} ${line?.replaceAll("\0", " ").trim()}`);
      read(() => Deno.kill(pid, "SIGKILL"));
    }
  }

  /**
   * All that was left behind since the beginning. A namespace that a test gives a name has the mark
   * in it (tests/netns.ts makes nameless ones, which end with their processes).
   */
  async report(listNamespaces = namedNamespaces): Promise<string[]> {
    const own = (await listNamespaces()).filter((name) => name.includes(this.env[MARK]));
    return [...this.#found, ...own.map((name) => `network namespace ${name}`)];
  }

  #processes(): number[] {
    if (Deno.build.os !== "linux") return [];
    const mark = `${MARK}=${this.env[MARK]}`;
    const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name));
    return pids.filter((pid) =>
      pid > 0 &&
      read(() => Deno.readTextFileSync(`/proc/${pid}/environ`))?.split("\0").includes(mark)
    );
  }
}

async function namedNamespaces(): Promise<string[]> {
  const list = await textOf("ip", ["netns", "list"]) ?? "";
  return list.split("\n").map((line) => line.split(" ")[0]!).filter((name) => name !== "");
}

/** Of processes that may end at any moment, or are none of ours: null instead of the refusal. */
function read<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    const { NotFound, PermissionDenied } = Deno.errors;
    const isGone = error instanceof Error && /No such process|os error 3\b/.test(error.message);
    if (isGone || error instanceof NotFound || error instanceof PermissionDenied) return null;
    throw error;
  }
}
