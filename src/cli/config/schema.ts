import { groupOf, optionFacts } from "../command/help.ts";
import type { Option } from "../command/option_table.ts";
import { type FileCommands, fileOptions } from "./entries.ts";

type Json = { readonly [key: string]: unknown };

/** JSON Schema (draft 7, which editors of TOML know) of configuration files. */
export function configSchema(commands: FileCommands): Json {
  const root: Record<string, unknown> = {};
  const groups: Record<string, Record<string, unknown>> = {};
  for (const [name, command] of Object.entries(commands)) {
    const [word, inner] = name.split(" ");
    const schema = oneOrMore({
      type: "object",
      description: command.summary,
      properties: Object.fromEntries(
        Object.values(fileOptions(command)).map((option) => [option.names[0], schemaOf(option)]),
      ),
      additionalProperties: false,
    });
    if (inner === undefined) root[word!] = schema;
    else (groups[word!] ??= {})[inner] = schema;
  }
  for (const [word, properties] of Object.entries(groups)) {
    root[word] = { type: "object", properties, additionalProperties: false };
  }
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Configuration of ttun",
    type: "object",
    properties: root,
    additionalProperties: false,
  };
}

/** A table, `[client]`, or several, `[[client]]`. */
function oneOrMore(item: Json): Json {
  return { oneOf: [item, { type: "array", items: item }] };
}

function schemaOf(option: Option): Json {
  const facts = optionFacts(option, (choices) => choices.join("|"));
  const description = `${option.help} (${[groupOf(option), ...facts].join("; ")})`;
  switch (option.kind) {
    case "boolean":
      return { type: "boolean", description };
    case "integer":
      return { type: "integer", minimum: option.min, maximum: option.max, description };
    case "choice":
      return { type: "string", enum: option.choices, description };
    case "string":
      return { type: ["string", "integer"], description };
    case "list": {
      const item = { type: ["string", "integer"] };
      return { oneOf: [item, { type: "array", items: item }], description };
    }
  }
}
