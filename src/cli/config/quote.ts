import type { Option } from "../command/option_table.ts";

/** Writes a text as a basic string of TOML. */
export function quote(text: string): string {
  // JSON escapes all that TOML does, but for DEL.
  return JSON.stringify(text).replaceAll("\x7f", "\\u007f");
}

/** Writes an option's texts, as a command line has them, as a value of TOML. */
export function tomlValue({ kind }: Option, texts: readonly string[]): string {
  if (kind === "list") return `[${texts.map(quote).join(", ")}]`;
  const text = texts.at(-1) ?? "";
  return kind === "integer" || kind === "boolean" ? text : quote(text);
}
