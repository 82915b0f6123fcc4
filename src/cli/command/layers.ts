import { TtunError } from "../../base/errors.ts";
import { readText } from "./option_text.ts";
import type { OptionTable } from "./option_table.ts";

/** A value, and its option's name where it stands, such as `TTUN_MTU`. */
export interface LayerText {
  readonly text: string;
  readonly spelled: string;
}

/**
 * Options that one place below the command line has, by the keys of the table: the environment, or a
 * file. A key with null is a value that the command reads there itself, such as a secret.
 */
export type Layer = ReadonlyMap<string, readonly LayerText[] | null>;

/**
 * Adds to `given` what the layers have of other options, the first one first. An option that a
 * higher layer has, or one that excludes it, counts alone; a list is not joined.
 * @throws {TtunError} usage
 */
export function mergeLayers(
  table: OptionTable,
  given: Readonly<Record<string, unknown>>,
  layers: readonly Layer[],
): Record<string, unknown> {
  const merged = { ...given };
  const taken = new Set(Object.keys(given).filter((key) => isSet(given[key])));
  for (const layer of layers) {
    const spelled = (key: string) => layer.get(key)?.[0]?.spelled ?? key;
    const values = readLayer(table, layer);
    refuseConflicts(table, values, spelled);
    const free = Object.entries(values).filter(([key]) =>
      merged[key] === undefined && !taken.has(key) && !isExcluded(table, key, taken)
    );
    Object.assign(merged, Object.fromEntries(free));
    for (const [key, value] of free) if (isSet(value)) taken.add(key);
    for (const [key, texts] of layer) if (texts === null) taken.add(key);
  }
  return merged;
}

/** Refuses options that exclude each other; `--once=false` counts as no `--once`. */
export function refuseConflicts(
  table: OptionTable,
  given: Readonly<Record<string, unknown>>,
  spelled: (key: string) => string,
): void {
  for (const [key, option] of Object.entries(table)) {
    const other = option.conflicts?.find((one) => isSet(given[key]) && isSet(given[one]));
    if (other === undefined) continue;
    throw new TtunError(
      "usage",
      `Options ${spelled(key)} and ${spelled(other)} exclude each other`,
    );
  }
}

function readLayer(table: OptionTable, layer: Layer): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, texts] of layer) {
    const option = table[key];
    if (option === undefined || texts === null) continue;
    const read = texts.map(({ text, spelled }) => readText(option, spelled, text));
    values[key] = option.kind === "list" ? read : read.at(-1);
  }
  return values;
}

function isExcluded(table: OptionTable, key: string, taken: ReadonlySet<string>): boolean {
  if (table[key]!.conflicts?.some((other) => taken.has(other)) === true) return true;
  return [...taken].some((other) => table[other]?.conflicts?.includes(key) === true);
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== false;
}
