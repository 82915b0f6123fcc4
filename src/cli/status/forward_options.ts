import {
  parseDynamicForward,
  parseLocalForward,
  parseRemoteForward,
} from "../../core/forward/parse.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { FORWARD_CLIENT_OPTIONS } from "../forward/options.ts";
import { STATUS_COMMAND_OPTIONS } from "./options.ts";

const NAME_OPTION = {
  names: ["name"],
  variable: null,
  group: "basic",
  kind: "string",
  metavar: "NAME",
  parse: STATUS_COMMAND_OPTIONS.name.parse,
  help: "the client, by the name that ttun status has for it",
  defaultText: "the only client that runs",
} as const;

/** Options of `ttun forward add`. */
export const FORWARD_ADD_OPTIONS = {
  local: {
    ...FORWARD_CLIENT_OPTIONS.local,
    parse: checked(parseLocalForward),
    help:
      "listen here and connect from the server to HOST:PORT, as -L of ttun client; repeat for more",
  },
  dynamic: {
    ...FORWARD_CLIENT_OPTIONS.dynamic,
    parse: checked(parseDynamicForward),
    help: "be a SOCKS and HTTP proxy here, as -D of ttun client; repeat for more",
  },
  remote: {
    ...FORWARD_CLIENT_OPTIONS.remote,
    parse: checked(parseRemoteForward),
    help:
      "have the server listen and connect from the client to HOST:PORT, as -R of ttun client; " +
      "repeat for more",
  },
  name: NAME_OPTION,
} as const satisfies OptionTable;

/** Options of `ttun forward list`. */
export const FORWARD_LIST_OPTIONS = {
  name: {
    ...NAME_OPTION,
    positional: true,
    help: `${NAME_OPTION.help}; --name may be left out right behind the command`,
  },
} as const satisfies OptionTable;

/** Options of `ttun forward remove`. */
export const FORWARD_REMOVE_OPTIONS = {
  listen: {
    names: ["listen", "l"],
    group: "basic",
    kind: "string",
    metavar: "[BIND:]PORT[/udp]",
    parse: checked((text) => parseDynamicForward(text.replace(/\/udp$/, ""))),
    required: true,
    positional: true,
    help:
      "where the forward listens, as it was given or as ttun forward list has it, or the path " +
      "of its unix socket; -l may be left out right behind the command",
  },
  remote: {
    names: ["remote-forward", "R"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "the forward is one of which the server listens, as -R of ttun client",
  },
  name: NAME_OPTION,
} as const satisfies OptionTable;

export type ForwardAddFlags = Values<typeof FORWARD_ADD_OPTIONS>;
export type ForwardListFlags = Values<typeof FORWARD_LIST_OPTIONS>;
export type ForwardRemoveFlags = Values<typeof FORWARD_REMOVE_OPTIONS>;

/** Leaves the text as it is: the client reads it again. */
function checked(parse: (text: string) => unknown): (text: string) => string {
  return (text) => {
    parse(text);
    return text;
  };
}
