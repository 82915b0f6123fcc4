import { TtunError } from "../../base/errors.ts";
import { CIPHER_CHOICES } from "./cipher_choice.ts";
import type { OptionTable } from "./option_table.ts";

/** Each is one object, so that the manual describes it once. */
export const KEY_OPTION = {
  names: ["key", "k"],
  group: "basic",
  kind: "string",
  metavar: "STRING",
  conflicts: ["keyFile"],
  help: "the key that both ends share; process lists can show it, so better use --key-file",
  secret: true,
  variable: "TTUN_KEY",
} as const;

export const SERVER_KEY_FILE_OPTION = {
  names: ["key-file"],
  variable: "TTUN_KEY_FILE",
  group: "basic",
  kind: "string",
  metavar: "FILE",
  help: "read the key from FILE, which only its owner may read (- is standard input): a file of " +
    "one line is the key; one of more lines has a key for each client, as NAME:KEY (behind it " +
    "address=ADDRESS and network=CIDR of a tunnel), where " +
    "empty lines and those that begin with # are left out; without -k and this, " +
    "TTUN_KEY_FILE, TTUN_KEY, the systemd credential ttun-key, ~/.config/ttun/key, " +
    "/etc/ttun/key, then a prompt",
} as const;

export const KEY_FILE_OPTION = {
  names: ["key-file"],
  group: "basic",
  kind: "string",
  metavar: "FILE",
  help: "read the key from FILE, which only its owner may read (- is standard input); without " +
    "both, TTUN_KEY_FILE, TTUN_KEY, the systemd credential ttun-key, ~/.config/ttun/key, " +
    "/etc/ttun/key, then a prompt",
  variable: "TTUN_KEY_FILE",
} as const;

export const CIPHER_OPTION = {
  names: ["cipher", "m"],
  group: "security",
  kind: "choice",
  metavar: "NAME",
  choices: CIPHER_CHOICES,
  default: "auto",
  help: "the cipher; auto is the one that is fastest for the slower of the two ends, and " +
    "chacha20-poly1305 under version 1, where both ends must have the same",
} as const;

export const WIRE_OPTION = {
  names: ["wire"],
  group: "security",
  kind: "choice",
  metavar: "VERSION",
  choices: ["auto", "v1", "v2"],
  default: "auto",
  help: "version of the wire format: auto finds out whether the other end speaks the new one; v2 " +
    "speaks nothing else and is silent to strangers; v1 is what the first ttun speaks",
} as const;

export const BACKEND_OPTIONS = {
  io: {
    names: ["io"],
    group: "tuning",
    kind: "choice",
    metavar: "HOW",
    choices: ["auto", "ffi", "deno"],
    default: "auto",
    help: "sockets by native calls or by Deno's own",
  },
  segmentSize: {
    names: ["segment-size"],
    group: "tuning",
    kind: "integer",
    metavar: "BYTES",
    // Linux accepts this range for TCP_MAXSEG.
    min: 88,
    max: 32767,
    help: "largest TCP segment of the connection between the two ends (its MSS), for a path that " +
      "loses larger ones without a word (Linux, not with --io deno)",
    defaultText: "what the path carries",
  },
  congestion: {
    names: ["congestion"],
    group: "tuning",
    kind: "string",
    metavar: "NAME",
    parse: parseCongestion,
    default: "auto",
    help: "congestion control between the two ends, by the kernel's name; auto is bbr where the " +
      "kernel has it, unless a round trip takes less than 1 ms; system leaves what the system has " +
      "(Linux)",
  },
  noWarmUp: {
    names: ["no-warm-up"],
    group: "tuning",
    kind: "boolean",
    default: false,
    help:
      "do not run the data path for up to a second of processor time at the start, which makes " +
      "the first packets and connections as quick as later ones",
  },
  aead: {
    names: ["aead"],
    group: "tuning",
    kind: "choice",
    metavar: "HOW",
    choices: ["auto", "native", "node", "pure"],
    default: "auto",
    help: "which implementation of the cipher; auto takes the fastest that is there",
  },
} as const satisfies OptionTable;

export const LOG_OPTIONS = {
  verbose: {
    names: ["verbose", "v"],
    group: "logging",
    kind: "boolean",
    default: false,
    conflicts: ["quiet"],
    help: "log details too, and where in the program a bug shows",
  },
  quiet: {
    names: ["quiet", "q"],
    group: "logging",
    kind: "boolean",
    default: false,
    help: "log only warnings and errors",
  },
  logFormat: {
    names: ["log-format"],
    group: "logging",
    kind: "choice",
    metavar: "FORMAT",
    choices: ["text", "json"],
    default: "text",
    help: "lines for people or for programs, on standard error either way",
  },
} as const satisfies OptionTable;

/** Checks TCP_CA_NAME_MAX of net/tcp.h, and the letters of such names. */
function parseCongestion(text: string): string {
  if (/^[a-z0-9_-]{1,15}$/.test(text)) return text;
  throw new TtunError(
    "usage",
    `Cannot use ${JSON.stringify(text)} as a congestion control: give auto, system, or ` +
      "the kernel's name, as bbr",
  );
}
