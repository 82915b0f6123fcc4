import { TtunError } from "../base/errors.ts";
import {
  type Command,
  type Commands,
  fileCommands,
  type Prepared,
  type Runnable,
} from "./command/command.ts";
import type { SecretSpot } from "./command/args.ts";
import type { RunContext } from "./command/context.ts";
import { environmentLayer } from "./command/environment.ts";
import { commandHelp, commandUsage } from "./command/help.ts";
import type { Layer } from "./command/layers.ts";
import type { ConfigSource } from "./config/options.ts";
import { printPlain } from "./output/log_writer.ts";
import { print } from "./output/stdout.ts";
import { load } from "./plane/load.ts";
import type { Usr1 } from "./platform/debugger.ts";
import { readVariable } from "./platform/variables.ts";
import { refuse } from "./report.ts";
import { hideArgv } from "./secrets/hide_argv.ts";
import { hideLinkVariable } from "./secrets/link_variable.ts";
import { supervise } from "./supervise.ts";

export interface Origin {
  readonly usr1: Usr1 | null;
  /** All commands, whatever the level. */
  readonly root: Commands;
}

/** Runs a command by its command line, the environment and its file. Returns the exit code. */
export async function runCommand(
  name: string,
  command: Command,
  args: readonly string[],
  { usr1, root }: Origin,
): Promise<number> {
  let completed: Completed;
  let shown: Pick<RunContext, "hasSecretArguments" | "secretsHidden">;
  try {
    const prepared = command.prepare(args);
    if (prepared.help) {
      await print(commandHelp(name, command));
      return 0;
    }
    // First of all, to keep the time short in which a key is visible.
    const secretsHidden = hideArgv(`ttun ${name}`, args, prepared.secrets);
    shown = { hasSecretArguments: prepared.secrets.length > 0, secretsHidden };
    const environment = environmentLayer(command.options, readVariable);
    completed = await complete(name, prepared, environment, root);
    const { running } = completed.runnable;
    if (running.length > 0) await refuseCommands(running);
    if (completed.runnable.leavesRoot) await keepPrivilegesOut(args, prepared.secrets);
    // The clients that ttun up starts read the environment themselves.
    if (name !== "up") hideLinkVariable();
  } catch (error) {
    if (error instanceof TtunError) return refuse(error, commandUsage(name, command));
    throw error;
  }
  const { runnable, ...fromFile } = completed;
  return await supervise(runnable, { ...shown, ...fromFile }, usr1);
}

/** @throws {TtunError} privilege */
async function refuseCommands(options: readonly string[]): Promise<void> {
  const { refuseUsersCommands } = await load(() => import("./platform/file_capabilities.ts"));
  refuseUsersCommands(options);
}

/** Does not return if this process starts anew, with the same arguments and environment. */
async function keepPrivilegesOut(
  args: readonly string[],
  secrets: readonly SecretSpot[],
): Promise<void> {
  const { renounceNewPrivileges } = await load(() => import("./platform/no_new_privileges.ts"));
  const failure = renounceNewPrivileges(args, secrets);
  if (failure === null) return;
  printPlain(`ttun: --user leaves out no_new_privs, which not all threads would have: ${failure}`);
}

interface Completed extends Pick<RunContext, "fileSecrets" | "reread"> {
  readonly runnable: Runnable;
}

/** Takes options that the command line has not from the environment, then from a file. */
async function complete(
  name: string,
  prepared: Exclude<Prepared, { help: true }>,
  environment: Layer,
  root: Commands,
): Promise<Completed> {
  const source = prepared.source([environment]);
  if (source === null) return { runnable: prepared.complete([environment]) };
  const file = await readFile(name, source, root);
  const runnable = prepared.complete([environment, file.layer]);
  const again = { config: file.path, entry: source.entry };
  return {
    runnable,
    fileSecrets: file.secrets,
    reread: async () => ({
      atStart: runnable.withLayers([environment, file.layer]),
      now: runnable.withLayers([environment, (await readFile(name, again, root)).layer]),
    }),
  };
}

async function readFile(command: string, source: ConfigSource, root: Commands) {
  const { fileLayer } = await load(() => import("./config/layer.ts"));
  return fileLayer(command, source, fileCommands(root));
}
