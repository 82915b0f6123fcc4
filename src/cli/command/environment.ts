import type { Layer, LayerText } from "./layers.ts";
import type { Option, OptionTable } from "./option_table.ts";

/**
 * Set for the commands of --up and --down, beside variables that say what the tunnel has and look
 * like options: a ttun that such a command starts takes none from there.
 */
const HOOK_MARK = "TTUN_ROLE";

/** The environment variable that stands for an option, such as `TTUN_PERMIT_OPEN`; null = none does. */
export function variableOf(option: Option): string | null {
  if (option.variable === null) return null;
  return option.variable ?? `TTUN_${option.names[0].toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Reads the options' variables. An empty one counts as none; of an option that repeats, white space
 * separates the values, or line ends if there are any.
 * @throws {TtunError} usage, of `get`
 */
export function environmentLayer(
  table: OptionTable,
  get: (name: string) => string | undefined,
): Layer {
  const layer = new Map<string, readonly LayerText[] | null>();
  if (get(HOOK_MARK) !== undefined) return layer;
  for (const [key, option] of Object.entries(table)) {
    const spelled = variableOf(option);
    if (spelled === null) continue;
    const value = get(spelled);
    if (value === undefined || value === "") continue;
    const isOwn = option.variable !== undefined;
    layer.set(key, isOwn ? null : textsOf(option, value).map((text) => ({ text, spelled })));
  }
  return layer;
}

function textsOf(option: Option, value: string): string[] {
  if (option.kind !== "list") return [value];
  return value.split(value.includes("\n") ? "\n" : /\s+/).map((text) => text.trim())
    .filter((text) => text !== "");
}
