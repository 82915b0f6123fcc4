import type { OptionTable, Values } from "../command/option_table.ts";

/** Options of commands that run until they are told to stop. */
export const DAEMON_OPTIONS = {
  daemon: {
    names: ["daemon", "d"],
    group: "basic",
    kind: "boolean",
    default: false,
    conflicts: ["stdio", "background"],
    help: "go to the background: a server when it listens, a client when its server is reached; " +
      "until then ttun waits, and ends with the exit code of a failure (Linux)",
  },
  pid: {
    names: ["pid"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help:
      "write the process's number into FILE, which no other ttun may have while this one runs, " +
      "and remove it at the end",
  },
  logFile: {
    names: ["log-file"],
    group: "logging",
    kind: "string",
    metavar: "FILE",
    help: "append the log to FILE, which SIGHUP opens anew; standard error has the beginning and " +
      "errors alone then",
  },
} as const satisfies OptionTable;

export type DaemonFlags = Values<typeof DAEMON_OPTIONS>;
