import type { OptionTable, Values } from "../command/option_table.ts";

const keyFile = {
  names: ["key-file"],
  group: "basic",
  kind: "string",
  metavar: "FILE",
  required: true,
  help: "the server's file with a key for each client, as its own --key-file",
} as const;

/** Options of `ttun key list`. */
export const KEY_LIST_OPTIONS = { keyFile } as const satisfies OptionTable;

/** Options of `ttun key add` and `ttun key revoke`. */
export const KEY_CHANGE_OPTIONS = {
  name: {
    names: ["name"],
    variable: null,
    group: "basic",
    kind: "string",
    metavar: "NAME",
    required: true,
    positional: true,
    help: "the client's name; --name may be left out right behind the command",
  },
  keyFile,
} as const satisfies OptionTable;

export type KeyListFlags = Values<typeof KEY_LIST_OPTIONS>;
export type KeyChangeFlags = Values<typeof KEY_CHANGE_OPTIONS>;
