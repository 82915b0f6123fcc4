import { allCommands, type Commands } from "./command.ts";
import type { Option } from "./option_table.ts";

export interface OwnedOptions {
  readonly commands: readonly string[];
  readonly options: readonly Option[];
}

/** Names each option once; an object in several tables belongs to all of their commands. */
export function optionOwners(commands: Commands): OwnedOptions[] {
  const owners = new Map<Option, string[]>();
  for (const [name, { options }] of Object.entries(allCommands(commands))) {
    for (const option of Object.values<Option>(options)) {
      owners.set(option, [...(owners.get(option) ?? []), name]);
    }
  }
  const groups = new Map<string, { commands: string[]; options: Option[] }>();
  for (const [option, names] of owners) {
    const key = names.join(" ");
    if (!groups.has(key)) groups.set(key, { commands: names, options: [] });
    groups.get(key)!.options.push(option);
  }
  return [...groups.values()];
}
