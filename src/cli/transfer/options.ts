import { LOG_OPTIONS } from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { KEEP_OPTION } from "../command/session_options.ts";
import { codeRest, looksLikeCode } from "../peer/peer_url.ts";
import { VIA_OPTIONS } from "../peer/via_options.ts";
import {
  beginningsOf,
  type Endpoint,
  formsOf,
  parseListen,
  parseServer,
} from "../transport/endpoint.ts";
import { DEFAULT_PORT } from "../transport/table.ts";
import { CLIENT_OPTIONS } from "../tun/options.ts";
import { parseRate } from "./rate.ts";

const { required: _required, positional: _positional, ...SERVER } = CLIENT_OPTIONS.server;

const LISTEN_OPTION = {
  names: ["listen", "l"],
  group: "basic",
  kind: "string",
  metavar: "ADDR",
  parse: parseListen,
  beginnings: beginningsOf("listen"),
  variable: null,
  conflicts: ["server"],
  help: `wait here for the other end, which names this by -s: address and port, or ${
    formsOf("listen").join(" or ")
  }`,
  defaultText: `port ${DEFAULT_PORT}`,
} as const;

/** How both ends meet, and how their link is. */
const LINK_OPTIONS = {
  listen: LISTEN_OPTION,
  key: CLIENT_OPTIONS.key,
  keyFile: CLIENT_OPTIONS.keyFile,
  ...VIA_OPTIONS,
  cipher: CLIENT_OPTIONS.cipher,
  aead: CLIENT_OPTIONS.aead,
  mptcp: CLIENT_OPTIONS.mptcp,
  congestion: CLIENT_OPTIONS.congestion,
  segmentSize: CLIENT_OPTIONS.segmentSize,
  keepSession: {
    ...KEEP_OPTION,
    help: "go on by itself when the two ends have had no connection for so long",
  },
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export const SEND_OPTIONS = {
  files: {
    names: ["file"],
    group: "basic",
    kind: "list",
    metavar: "FILE|DIR",
    positional: true,
    required: true,
    variable: null,
    help:
      "what is sent, folders with all that is in them; - is standard input; --file may be left " +
      "out",
  },
  server: {
    ...SERVER,
    help: `the end that waits (-l there): ${formsOf("server").join(" or ")}`,
  },
  follow: {
    names: ["follow"],
    group: "basic",
    kind: "boolean",
    default: false,
    variable: null,
    help: "send what symbolic links lead to; without it a link is refused",
  },
  limit: {
    names: ["limit"],
    group: "basic",
    kind: "string",
    metavar: "RATE",
    parse: parseRate,
    help: "send no more than RATE bytes in a second, as 500k or 2M",
  },
  ...LINK_OPTIONS,
} as const satisfies OptionTable;

export const RECEIVE_OPTIONS = {
  server: {
    ...SERVER,
    positional: true,
    parse: parseSender,
    isSecret: (text: string) => SERVER.isSecret(text) || looksLikeCode(text),
    help: `the ticket or code that ttun send has printed, or the end that waits (-l there): ${
      formsOf("server").join(" or ")
    }; -s may be left out right behind the command; without it TTUN_TICKET, then a question`,
  },
  ticketFile: {
    names: ["ticket-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    variable: null,
    conflicts: ["server", "listen"],
    help: "read the ticket or code from FILE; - is the first line of standard input",
  },
  output: {
    names: ["output", "o"],
    group: "basic",
    kind: "string",
    metavar: "DIR",
    default: ".",
    help: "put the files into this folder; - writes one file to standard output",
  },
  yes: {
    names: ["yes", "y"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "take what is sent without a question, but for names that begin with a dot",
  },
  hidden: {
    names: ["hidden"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "take names that begin with a dot without a question",
  },
  overwrite: {
    names: ["overwrite"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "replace files that are there with other content; without it they stay as they are",
  },
  ...LINK_OPTIONS,
} as const satisfies OptionTable;

function parseSender(text: string): Endpoint {
  return looksLikeCode(text) ? { scheme: "peer", at: codeRest(text) } : parseServer(text);
}

export type SendFlags = Values<typeof SEND_OPTIONS>;
export type ReceiveFlags = Values<typeof RECEIVE_OPTIONS>;
