import { TtunError } from "../../base/errors.ts";
import { type Field, isNamed } from "../http/fields.ts";
import { isToken } from "../http/token.ts";

/** A change of a message's fields. */
export interface HeaderRule {
  /** Set: in place of all of its name. Add: beside them. */
  readonly kind: "set" | "add" | "remove";
  readonly name: string;
  /** "" where fields are removed. */
  readonly value: string;
}

/** Fields of a connection, or of how a message is framed, which are not the service's to say. */
const FRAMING: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const MOST_VALUE = 8192;

/** Reads `NAME: VALUE` (set), `+NAME: VALUE` (add) or `-NAME` (remove). @throws {TtunError} usage */
export function readHeaderRule(text: string): HeaderRule {
  const [, sign = "", name = "", colon = "", value = ""] =
    /^([+-]?)([^\s:]*)[ \t]*(:?)[ \t]*(.*?)[ \t]*$/s.exec(text) ?? [];
  const isRemoval = sign === "-";
  if (!isToken(name) || (colon === "") !== isRemoval || (isRemoval && value !== "")) {
    throw unusable(text, "write NAME: VALUE, +NAME: VALUE to keep those that are there, or -NAME");
  }
  if (FRAMING.has(name.toLowerCase())) {
    throw unusable(
      text,
      "that field belongs to the connection; for Host there is ?host= of TARGET",
    );
  }
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value) || value.length > MOST_VALUE) {
    throw unusable(text, "a value has one byte a character, and none that controls");
  }
  return { kind: isRemoval ? "remove" : sign === "+" ? "add" : "set", name, value };
}

/** Returns the fields with all changes made, in their order. */
export function withRules(
  fields: readonly Field[],
  rules: readonly HeaderRule[],
): readonly Field[] {
  let all = fields;
  for (const { kind, name, value } of rules) {
    const key = name.toLowerCase();
    const others = kind === "add" ? all : all.filter((field) => !isNamed(field, key));
    all = kind === "remove" ? others : [...others, { name, value }];
  }
  return all;
}

function unusable(text: string, why: string): TtunError {
  return new TtunError("usage", `Cannot use the field ${JSON.stringify(text)}: ${why}`);
}
