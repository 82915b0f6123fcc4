import { resolve } from "node:path";
import { TtunError } from "../../base/errors.ts";
import type { Layer } from "../command/layers.ts";
import { type Entry, type FileCommands, tableOf } from "./entries.ts";
import { loadConfig, soundEntries } from "./file.ts";
import { findConfig } from "./names.ts";
import type { ConfigSource } from "./options.ts";

export interface FileLayer {
  readonly layer: Layer;
  /** The file's absolute path. */
  readonly path: string;
  /** Keys of secrets that the file itself holds. */
  readonly secrets: ReadonlySet<string>;
}

/**
 * Reads what a file has for one run of a command. `entry`: which table, from 1; undefined = the only
 * one.
 * @throws {TtunError} usage, privilege
 */
export function fileLayer(
  command: string,
  source: ConfigSource,
  commands: FileCommands,
): FileLayer {
  const path = resolve(findConfig(source.config));
  const all = soundEntries(loadConfig(path, commands)).filter((one) => one.command === command);
  const { layer } = choose(all, { command, path, number: source.entry });
  const options = Object.entries(commands[command]!.options);
  const secrets = options.filter(([key, { secret }]) => secret === true && layer.has(key));
  return { layer, path, secrets: new Set(secrets.map(([key]) => key)) };
}

function choose(
  entries: readonly Entry[],
  { command, path, number }: { command: string; path: string; number: number | undefined },
): Entry {
  const table = `[[${tableOf(command)}]]`;
  const found = entries[(number ?? 1) - 1];
  if (found === undefined) {
    throw new TtunError(
      "usage",
      entries.length === 0
        ? `There is no ${table} in ${path}; ttun up runs what is there`
        : `There are only ${entries.length} ${table} in ${path}`,
    );
  }
  if (number === undefined && entries.length > 1) {
    throw new TtunError(
      "usage",
      `There are ${entries.length} ${table} in ${path}: choose one by --config-entry N, or run all ` +
        "by ttun up",
    );
  }
  return found;
}
