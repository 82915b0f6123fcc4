import type { OptionTable, Values } from "../command/option_table.ts";
import { CLIENT_OPTIONS } from "../tun/options.ts";

/** Options of a client that say how its server is reached. */
const LINK_OPTIONS = {
  server: CLIENT_OPTIONS.server,
  key: CLIENT_OPTIONS.key,
  keyFile: CLIENT_OPTIONS.keyFile,
  via: CLIENT_OPTIONS.via,
  viaKeyFile: CLIENT_OPTIONS.viaKeyFile,
  cipher: CLIENT_OPTIONS.cipher,
  aead: CLIENT_OPTIONS.aead,
  io: CLIENT_OPTIONS.io,
  mptcp: CLIENT_OPTIONS.mptcp,
  congestion: CLIENT_OPTIONS.congestion,
  segmentSize: CLIENT_OPTIONS.segmentSize,
  verbose: CLIENT_OPTIONS.verbose,
  quiet: CLIENT_OPTIONS.quiet,
  logFormat: CLIENT_OPTIONS.logFormat,
} as const satisfies OptionTable;

export const PING_OPTIONS = {
  ...LINK_OPTIONS,
  count: {
    names: ["count", "c"],
    group: "basic",
    kind: "integer",
    metavar: "N",
    min: 1,
    max: 1e9,
    default: 5,
    help: "measure N times",
  },
  interval: {
    names: ["interval", "i"],
    group: "basic",
    kind: "integer",
    metavar: "MS",
    min: 0,
    max: 3_600_000,
    default: 1000,
    help: "milliseconds from one to the next",
  },
} as const satisfies OptionTable;

export const SPEEDTEST_OPTIONS = {
  ...LINK_OPTIONS,
  seconds: {
    names: ["seconds", "t"],
    group: "basic",
    kind: "integer",
    metavar: "S",
    min: 1,
    max: 3600,
    default: 5,
    help: "measure each direction for S seconds",
  },
} as const satisfies OptionTable;

export type PingFlags = Values<typeof PING_OPTIONS>;
export type SpeedtestFlags = Values<typeof SPEEDTEST_OPTIONS>;
