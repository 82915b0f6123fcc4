import { TtunError } from "../base/errors.ts";
import type { PlaneFacts } from "./messages.ts";

/**
 * Runs a command of the user's in a shell, with what ttun has set up in its environment. Its
 * output goes to standard error: standard output is for data.
 * @throws {TtunError} hook when it cannot be started or ends with another status than 0
 */
export async function runHook(
  name: "--up" | "--down",
  command: string,
  facts: PlaneFacts,
  role: "server" | "client",
): Promise<void> {
  const env: Record<string, string> = {
    TTUN_ROLE: role,
    TTUN_DEVICE: facts.device,
    TTUN_MTU: String(facts.mtu),
    TTUN_ADDRESSES: facts.addresses.join(" "),
    TTUN_ROUTES: facts.routes.join(" "),
    ...(facts.listen === undefined ? {} : { TTUN_LISTEN: facts.listen }),
  };
  const { success, code, stdout } = await spawnShell(name, command, env);
  Deno.stderr.writeSync(stdout);
  if (!success) {
    throw new TtunError("hook", `Cannot go on: the ${name} command ended with status ${code}`);
  }
}

/**
 * The shell leads a process group of its own: Ctrl-C on the terminal is meant for ttun and must
 * not cut a clean-up short. Where ttun ends at once, the whole group ends with it.
 */
async function spawnShell(name: string, command: string, env: Record<string, string>) {
  let shell: Deno.ChildProcess;
  try {
    shell = new Deno.Command("sh", {
      args: ["-c", command],
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
      detached: true,
    }).spawn();
  } catch (cause) {
    throw new TtunError("hook", `Cannot run the ${name} command: there is no shell`, { cause });
  }
  const end = () => endGroup(shell.pid);
  addEventListener("unload", end);
  try {
    return await shell.output();
  } finally {
    removeEventListener("unload", end);
  }
}

function endGroup(leader: number): void {
  try {
    Deno.kill(-leader, "SIGTERM");
  } catch (error) {
    if (!(error instanceof Error)) throw error; // it has just ended by itself
  }
}
