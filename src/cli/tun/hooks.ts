import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { ControlLibc } from "../../../ffi/linux/libc.ts";
import { SIGTERM } from "../../../ffi/linux/signal.ts";
import { HookLists, needsFile } from "./hook_lists.ts";
import { standardError } from "../output/log_output.ts";
import type { TunFacts } from "./plane_config.ts";
import { isGranted } from "../platform/permissions.ts";
import { spawnError } from "../platform/spawn_error.ts";

/** Milliseconds to read output after the end of a hook, whose children may keep it open. */
const OUTPUT_PATIENCE = 200;

const IS_WINDOWS = Deno.build.os === "windows";

export const SHELL = IS_WINDOWS ? "cmd.exe" : "/bin/sh";

export interface Hook {
  readonly name: "--up" | "--down";
  readonly command: string;
  readonly role: "server" | "client";
  readonly facts: TunFacts;
}

type ListFacts = Pick<TunFacts, "addresses" | "routes">;

function lists({ addresses, routes }: ListFacts) {
  return { TTUN_ADDRESSES: addresses, TTUN_ROUTES: routes };
}

export function hookNeedsFile(facts: ListFacts): boolean {
  return needsFile(lists(facts));
}

/**
 * Passes output to standard error (standard output is for data); a missing reader never blocks it.
 * The signal asks the hook to end. The shell leads its own process group: Ctrl-C is for ttun and
 * must not cut a clean-up short. If ttun ends at once, so does the group.
 * @throws {TtunError} hook, if it cannot be started or ends with a status other than 0
 */
export async function runHook(
  hook: Hook,
  libc: ControlLibc | null,
  signal: AbortSignal | null,
): Promise<void> {
  using told = new HookLists(lists(hook.facts));
  const shell = startShell(hook, told.env);
  // Deno.kill needs the permission to run everything; without libc, the shell alone ends.
  const end = () => libc === null ? shell.kill() : void libc.kill(-shell.pid, SIGTERM);
  addEventListener("unload", end);
  try {
    using _registration = signal === null ? null : onAbort(signal, end);
    const output = passOn(shell.stderr);
    const { success, code } = await shell.status;
    await atMost(OUTPUT_PATIENCE, output);
    if (success || signal?.aborted === true) return;
    throw new TtunError("hook", `Cannot go on: the ${hook.name} command ended with status ${code}`);
  } finally {
    removeEventListener("unload", end);
  }
}

/** Drops what nobody reads. Never rejects. */
async function passOn(output: ReadableStream<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of output) await standardError.writeSlowly(chunk);
  } catch {
    return; // unreadable output is lost, and nothing else
  }
}

/** Resolves with the promise, or after `ms`. */
export async function atMost(ms: number, promise: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

function startShell(
  { name, command, role, facts }: Hook,
  told: Readonly<Record<string, string>>,
): Deno.ChildProcess {
  try {
    return new Deno.Command(SHELL, {
      args: IS_WINDOWS ? ["/d", "/s", "/c", `(${command}) 1>&2`] : ["-c", `exec >&2\n${command}`],
      env: {
        TTUN_ROLE: role,
        TTUN_DEVICE: facts.device,
        TTUN_MTU: String(facts.mtu),
        ...told,
        ...(facts.listen === undefined ? {} : { TTUN_LISTEN: facts.listen }),
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      detached: true,
    }).spawn();
  } catch (thrown) {
    const doing = `run the ${name} command`;
    throw spawnError(thrown, { doing, program: SHELL, isThere: hasShell });
  }
}

/** Returns null if it cannot be checked. */
function hasShell(): boolean | null {
  if (IS_WINDOWS || !isGranted({ name: "read", path: SHELL })) return null;
  try {
    return Deno.statSync(SHELL).isFile;
  } catch {
    return false;
  }
}
