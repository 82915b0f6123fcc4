import { type AST, ParseError, parseTOML } from "toml-eslint-parser";

/** A fault of a file. Lines count from 1. */
export interface Problem {
  readonly line: number;
  /** The fault and what to do, without the place. */
  readonly message: string;
}

/** A value as a command line would have it, or several; null = of a kind that no option takes. */
export type SettingValue =
  | { readonly kind: "text" | "number" | "boolean"; readonly text: string; readonly line: number }
  | { readonly kind: "list"; readonly items: readonly SettingValue[]; readonly line: number }
  | { readonly kind: "other"; readonly line: number };

export interface Setting {
  readonly name: string;
  readonly line: number;
  readonly value: SettingValue;
}

/** A table such as `[[proxy.client]]`. */
export interface Table {
  readonly words: readonly string[];
  readonly line: number;
  readonly settings: readonly Setting[];
}

export interface TomlFile {
  readonly tables: readonly Table[];
  readonly problems: readonly Problem[];
}

/** Reads TOML 1.0 as far as options need it: tables of texts, numbers, booleans and lists. */
export function readToml(text: string): TomlFile {
  let program: AST.TOMLProgram;
  try {
    program = parseTOML(text, { tomlVersion: "1.0" });
  } catch (error) {
    return { tables: [], problems: [problemOf(error)] };
  }
  const problems: Problem[] = [];
  const tables: Table[] = [];
  for (const node of program.body[0].body) {
    const line = node.loc.start.line;
    const words = wordsOf(node.key);
    if (node.type === "TOMLTable") {
      tables.push({ words, line, settings: settingsOf(node, problems) });
      continue;
    }
    const message = `${words.join(".")} stands in no table: settings come below the command that ` +
      "they are for, as [[client]]";
    problems.push({ line, message });
  }
  return { tables, problems };
}

function problemOf(error: unknown): Problem {
  if (error instanceof ParseError) {
    return { line: error.lineNumber, message: `this is no TOML: ${error.message}` };
  }
  // Lists within lists are read by recursion.
  if (error instanceof RangeError) return { line: 1, message: "lists are nested too deeply" };
  throw error;
}

function settingsOf(table: AST.TOMLTable, problems: Problem[]): Setting[] {
  const settings: Setting[] = [];
  for (const { key, value, loc } of table.body) {
    const [name, ...others] = wordsOf(key);
    const { line } = loc.start;
    if (others.length === 0) settings.push({ name: name!, line, value: valueOf(value) });
    else problems.push({ line, message: `${[name, ...others].join(".")}: settings have no parts` });
  }
  return settings;
}

function wordsOf({ keys }: AST.TOMLKey): string[] {
  return keys.map((key) => key.type === "TOMLBare" ? key.name : key.value);
}

function valueOf(node: AST.TOMLContentNode): SettingValue {
  const { line } = node.loc.start;
  if (node.type === "TOMLArray") return { kind: "list", items: node.elements.map(valueOf), line };
  if (node.type === "TOMLInlineTable") return { kind: "other", line };
  switch (node.kind) {
    case "string":
      return { kind: "text", text: node.value, line };
    case "integer":
      return { kind: "number", text: String(node.bigint), line };
    case "boolean":
      return { kind: "boolean", text: String(node.value), line };
    default:
      return { kind: "other", line };
  }
}
