import { formatCidr, formatIp, networkOf, parseCidr } from "../../base/addr.ts";
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

/** Options of `ttun key revoke`. */
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

/** Options of `ttun key add`. */
export const KEY_ADD_OPTIONS = {
  ...KEY_CHANGE_OPTIONS,
  address: {
    names: ["address"],
    variable: null,
    group: "basic",
    kind: "list",
    metavar: "ADDRESS",
    parse: (text: string) => formatIp(parseCidr(text).bytes),
    help: "an address of the server's --pool that this client alone gets; once for each family",
  },
  network: {
    names: ["network"],
    variable: null,
    group: "basic",
    kind: "list",
    metavar: "CIDR",
    parse: (text: string) => formatCidr(networkOf(parseCidr(text))),
    help: "a network behind this client, as --client-network of the server; repeat for more",
  },
} as const satisfies OptionTable;

export type KeyListFlags = Values<typeof KEY_LIST_OPTIONS>;
export type KeyAddFlags = Values<typeof KEY_ADD_OPTIONS>;
export type KeyChangeFlags = Values<typeof KEY_CHANGE_OPTIONS>;
