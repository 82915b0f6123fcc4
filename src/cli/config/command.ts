import { EXIT_CODES } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { environmentLayer } from "../command/environment.ts";
import type { Layer } from "../command/layers.ts";
import { type Option, OPTION_GROUPS } from "../command/option_table.ts";
import { printPlain } from "../output/log_writer.ts";
import { print } from "../output/stdout.ts";
import { readVariable } from "../platform/variables.ts";
import { type Entry, type FileCommands, fileOptions, tableOf, whyIncomplete } from "./entries.ts";
import { loadConfig, type LoadedConfig, problemLine, soundEntries } from "./file.ts";
import { findConfig } from "./names.ts";
import type { ConfigNameFlags } from "./options.ts";
import { tomlValue } from "./quote.ts";
import type { Problem } from "./toml.ts";

/** Prints each fault of a file. Returns the exit code. @throws {TtunError} usage, privilege */
export async function runConfigCheck(
  { name }: ConfigNameFlags,
  { signal }: RunContext,
  commands: FileCommands,
): Promise<number> {
  const loaded = loadConfig(findConfig(name), commands);
  const problems = allProblems(loaded, commands);
  for (const problem of problems) printPlain(`ttun: ${problemLine(loaded.path, problem)}`);
  if (problems.length > 0) return EXIT_CODES.usage.code;
  const tables = loaded.entries.map(({ command }) => `[[${tableOf(command)}]]`).join(" ");
  await print(
    `${loaded.path} is good: ${tables === "" ? "there is nothing in it" : tables}\n`,
    signal,
  );
  return 0;
}

/** Returns the faults of settings, and those of tables that lack some or have too many. */
export function allProblems(
  { entries, problems }: LoadedConfig,
  commands: FileCommands,
): readonly Problem[] {
  if (problems.length > 0) return problems;
  return entries.flatMap((entry) => {
    const command = commands[entry.command]!;
    const environment = environmentLayer(fileOptions(command), readVariable);
    const message = whyIncomplete(entry, command, [environment]);
    return message === null ? [] : [{ line: entry.line, message }];
  });
}

/** Prints what each table comes to, as TOML. @throws {TtunError} usage, privilege */
export async function runConfigShow(
  { name }: ConfigNameFlags,
  { signal }: RunContext,
  commands: FileCommands,
): Promise<number> {
  const entries = soundEntries(loadConfig(findConfig(name), commands));
  const tables = entries.map((entry) => shownEntry(entry, commands, readVariable));
  await print(tables.join("\n"), signal);
  return 0;
}

/** `variable` reads the environment, which counts before the file. */
export function shownEntry(
  entry: Entry,
  commands: FileCommands,
  variable: (name: string) => string | undefined,
): string {
  const options = fileOptions(commands[entry.command]!);
  const layers = [environmentLayer(options, variable), entry.layer];
  const lines = Object.keys(OPTION_GROUPS).flatMap((group) =>
    Object.entries(options)
      .filter(([, option]) => (option.group ?? "basic") === group)
      .flatMap(([key, option]) => shownOption(key, option, layers))
  );
  return `[[${tableOf(entry.command)}]]\n${lines.map((line) => `${line}\n`).join("")}`;
}

function shownOption(key: string, option: Option, layers: readonly Layer[]): string[] {
  const found = layers.find((layer) => layer.has(key));
  if (found === undefined) return [];
  const texts = found.get(key);
  const name = option.names[0];
  if (texts === null || texts === undefined) return [`# ${name} is in the environment`];
  const place = /\((.*)\)$/.exec(texts[0]?.spelled ?? "")?.[1] ?? texts[0]?.spelled ?? "";
  const isSecret = texts.some(({ text }) => option.isSecret?.(text) === true);
  if (option.secret === true || isSecret) return [`# ${name} is there  (${place})`];
  return [`${name} = ${tomlValue(option, texts.map(({ text }) => text))}  # ${place}`];
}
