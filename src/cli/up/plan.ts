import { resolve } from "node:path";
import { TtunError } from "../../base/errors.ts";
import { environmentLayer } from "../command/environment.ts";
import { type Entry, type FileCommands, fileOptions, tableOf } from "../config/entries.ts";
import { allProblems } from "../config/command.ts";
import { loadConfig, problemLine } from "../config/file.ts";
import { configName, findConfig } from "../config/names.ts";
import { isRoot } from "../platform/owners.ts";
import { isStatusName } from "../status/options.ts";
import { stateDirectory } from "../platform/state_file.ts";
import { readVariable } from "../platform/variables.ts";

const LOGS_OF_ROOT = "/var/log/ttun";

/** A run of a command that a file asks for. */
export interface PlannedRun {
  readonly entry: Entry;
  /** The name that tells it from the file's others, as `client` or `proxy-client-2`. */
  readonly label: string;
  /** Where its log is; null = nowhere, as there is no folder for logs. */
  readonly log: string | null;
  /** The folder to make for the log; null = none, as where the file names its own log. */
  readonly logFolder: string | null;
  /** Options that the file leaves to `ttun up`. */
  readonly args: readonly string[];
}

export interface Plan {
  readonly name: string;
  /** An absolute path. */
  readonly config: string;
  readonly runs: readonly PlannedRun[];
}

/** Reads what a file asks for. @throws {TtunError} usage, privilege, for one that cannot be run */
export function planOf(text: string, commands: FileCommands): Plan {
  const name = configName(text);
  const config = resolve(findConfig(text));
  const loaded = loadConfig(config, commands);
  const [first] = allProblems(loaded, commands);
  if (first !== undefined) throw new TtunError("usage", problemLine(config, first));
  if (loaded.entries.length === 0) {
    throw new TtunError("usage", `There is nothing to run in ${config}`);
  }
  const folder = logFolder();
  const runs = loaded.entries.map((entry) =>
    planRun(entry, loaded.entries, { name, folder, commands })
  );
  return { name, config, runs };
}

function planRun(
  entry: Entry,
  all: readonly Entry[],
  to: { readonly name: string; readonly folder: string | null; readonly commands: FileCommands },
): PlannedRun {
  const options = fileOptions(to.commands[entry.command]!);
  const table = `[[${tableOf(entry.command)}]]`;
  if (options["daemon"] === undefined) {
    const can = Object.entries(to.commands).filter(([, one]) =>
      one.options["daemon"] !== undefined
    );
    throw new TtunError(
      "usage",
      `Cannot bring up ${table} in line ${entry.line}, which ends by itself: ttun up runs ` +
        can.map(([name]) => tableOf(name)).join(", "),
    );
  }
  if (entry.layer.has("stdio")) {
    throw new TtunError(
      "usage",
      `Cannot bring up ${table} in line ${entry.line}: stdio-forward needs its standard input`,
    );
  }
  const label = labelOf(entry, all);
  const layers = [environmentLayer(options, readVariable), entry.layer];
  const given = (key: string) => layers.find((layer) => layer.has(key))?.get(key)?.at(-1)?.text;
  const ownLog = given("logFile");
  const logFolder = ownLog === undefined ? to.folder : null;
  const log = ownLog ?? (logFolder === null ? null : `${logFolder}/${to.name}.${label}.log`);
  const isNamed = given("statusName") !== undefined || given("noStatus") === "true";
  const statusName = all.length === 1 ? to.name : `${to.name}-${label}`;
  const args = [
    ...(ownLog === undefined && log !== null ? ["--log-file", log] : []),
    ...(isNamed || !isStatusName(statusName) ? [] : ["--status-name", statusName]),
  ];
  return { entry, label, log, logFolder, args };
}

/** Returns the name that tells a run from the file's others. */
export function labelOf(entry: Entry, all: readonly Entry[]): string {
  const isOnly = all.filter(({ command }) => command === entry.command).length === 1;
  const words = entry.command.replaceAll(" ", "-");
  return isOnly ? words : `${words}-${entry.number}`;
}

/** Returns systemd's folder, root's or the user's; null = there is none. */
function logFolder(): string | null {
  const systemd = readVariable("LOGS_DIRECTORY");
  if (systemd !== undefined && systemd !== "") return systemd.split(":")[0]!;
  if (isRoot()) return LOGS_OF_ROOT;
  const state = stateDirectory();
  return state === null ? null : `${state}/log`;
}
