import { parsePortRange } from "../../core/hop/port_range.ts";
import type { HostPort } from "../../base/addr.ts";
import { readAddress } from "../command/address_args.ts";
import {
  CIPHER_OPTION,
  KEY_OPTION,
  SERVER_KEY_FILE_OPTION,
  WIRE_OPTION,
} from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { readServerAddress } from "../transport/table.ts";

/** Where the server is; without a port of its own it has the default one. */
interface ServerPlace extends HostPort {
  readonly hasPort: boolean;
}

function readPlace(text: string): ServerPlace {
  // Nobody connects to port 0, which stands for none here.
  return { ...readServerAddress(text), hasPort: readAddress(text, { port: 0 }).port !== 0 };
}

/** Options of `ttun share`. */
export const SHARE_OPTIONS = {
  host: {
    names: ["host"],
    group: "basic",
    kind: "string",
    metavar: "HOST[:PORT]",
    parse: readPlace,
    required: true,
    positional: true,
    help:
      "the server's name or address, as clients reach it; --host may be left out right behind " +
      "the command",
  },
  client: {
    names: ["client"],
    group: "basic",
    kind: "string",
    metavar: "NAME",
    help: "whose key of a file with one for each client",
  },
  range: {
    names: ["range"],
    group: "basic",
    kind: "string",
    metavar: "FIRST-LAST",
    parse: parsePortRange,
    help: "the server's ports hop (ttun server -l hop://): their range, and no port",
  },
  key: KEY_OPTION,
  keyFile: SERVER_KEY_FILE_OPTION,
  cipher: {
    ...CIPHER_OPTION,
    help: "the cipher that the client takes, if the server leaves it open",
  },
  wire: {
    ...WIRE_OPTION,
    choices: ["auto", "v2"],
    default: "v2",
    help: "the version that the client speaks: v2 nothing else, auto what it finds",
  },
  out: {
    names: ["out", "o"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "write the link into a new FILE that only its owner may read, instead of the terminal",
  },
} as const satisfies OptionTable;

export type ShareFlags = Values<typeof SHARE_OPTIONS>;
