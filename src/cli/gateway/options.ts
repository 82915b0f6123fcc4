import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { isLoopback } from "../../base/loopback.ts";
import { readApex } from "../../core/gateway/label.ts";
import { DAEMON_OPTIONS } from "../background/options.ts";
import { STATUS_OPTIONS } from "../status/options.ts";
import { readAddress } from "../command/address_args.ts";
import { LOG_OPTIONS } from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { GATEWAY_PORT } from "../mesh/options.ts";
import { AGENT_DATA } from "./agent_data_option.ts";
import { TUNNEL_OPTIONS } from "./tunnel_options.ts";

/** Port of the page with an agent's requests, as others of its kind have it. */
const INSPECT_PORT = 4040;

/** Milliseconds: no timer of the system counts more (2^31). */
const LONGEST_TIME = 24 * 86_400_000;

export const ENROLL_OPTIONS = {
  apex: {
    names: ["apex"],
    group: "basic",
    kind: "string",
    metavar: "DOMAIN[:PORT]",
    positional: true,
    required: true,
    variable: null,
    parse: readGateway,
    help:
      "the domain whose gateways this machine goes to, as example.net; --apex may be left out right " +
      "behind the command",
  },
  invite: {
    names: ["invite"],
    group: "basic",
    kind: "string",
    metavar: "INVITE",
    secret: true,
    isSecret: () => true,
    conflicts: ["inviteFile"],
    variable: "TTUN_INVITE",
    help:
      "the invite that ttun mesh invite --names has printed; process lists can show it, so better " +
      "use --invite-file or TTUN_INVITE; without any of these it is asked for",
  },
  inviteFile: {
    names: ["invite-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "read the invite from FILE, which only its owner may read (- is standard input)",
  },
  open: {
    names: ["open"],
    group: "security",
    kind: "boolean",
    default: false,
    variable: null,
    conflicts: ["invite", "inviteFile"],
    help:
      "enroll without an invite, at a mesh that lets everybody (ttun mesh node --open), for a second " +
      "of this machine's work",
  },
  at: {
    names: ["at"],
    group: "network",
    kind: "string",
    metavar: "HOST[:PORT]",
    variable: null,
    parse: (text: string): HostPort => readAddress(text, { port: GATEWAY_PORT }),
    defaultText: "the domain itself",
    help: "connect to a gateway there, whose certificate must be for the domain all the same",
  },
  ca: {
    names: ["ca"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    variable: null,
    defaultText: "the cluster's own authority, or the system's",
    help: "trust these authorities (PEM) for the gateway's certificate",
  },
  data: AGENT_DATA,
} as const satisfies OptionTable;

export const PUBLISH_OPTIONS = {
  ...TUNNEL_OPTIONS,
  tunnels: {
    names: ["tunnels"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    conflicts: Object.keys(TUNNEL_OPTIONS),
    help:
      "publish what the tables [[mesh.publish]] of this configuration file say, each by rules of its " +
      "own; ttun reload, or SIGHUP, has it read again",
  },
  inspect: {
    names: ["inspect"],
    group: "basic",
    kind: "string",
    metavar: "[ADDR:]PORT",
    parse: readInspect,
    help:
      "show the requests on a page of this machine, as 4040 for http://127.0.0.1:4040; the address " +
      "is printed with a token that lets one browser in",
  },
  expire: {
    names: ["expire"],
    group: "basic",
    kind: "string",
    metavar: "TIME",
    parse: readTime,
    help: "end after this time, as 30m, 2h or 7d, with exit code 0",
  },
  qr: {
    names: ["qr"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "print the addresses as QR codes too, for the camera of a telephone",
  },
  daemon: {
    ...DAEMON_OPTIONS.daemon,
    conflicts: [],
    help: "go to the background when the services are published; until then ttun waits, and ends " +
      "with the exit code of a failure (Linux)",
  },
  pid: DAEMON_OPTIONS.pid,
  logFile: DAEMON_OPTIONS.logFile,
  statusName: STATUS_OPTIONS.statusName,
  noStatus: STATUS_OPTIONS.noStatus,
  metrics: STATUS_OPTIONS.metrics,
  data: AGENT_DATA,
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export const NAMES_OPTIONS = {
  words: {
    names: ["do"],
    group: "basic",
    kind: "list",
    metavar: "list|release NAME",
    positional: true,
    required: true,
    variable: null,
    beginnings: ["list", "release"],
    help:
      "list prints the names of this machine's agent; release NAME gives one back, so that others " +
      "may have it; --do may be left out right behind the command",
  },
  data: AGENT_DATA,
} as const satisfies OptionTable;

export const PASSWORD_OPTIONS = {
  name: {
    names: ["name"],
    group: "basic",
    kind: "string",
    metavar: "NAME",
    positional: true,
    required: true,
    variable: null,
    parse: readLoginName,
    help: "of whoever has the password; --name may be left out right behind the command",
  },
  passwordFile: {
    names: ["password-file"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    variable: null,
    defaultText: "standard input, or a question",
    help: "read the password from FILE, which only its owner may read (- is standard input)",
  },
} as const satisfies OptionTable;

export type EnrollFlags = Values<typeof ENROLL_OPTIONS>;
export type PublishFlags = Values<typeof PUBLISH_OPTIONS>;
export type NamesFlags = Values<typeof NAMES_OPTIONS>;
export type PasswordFlags = Values<typeof PASSWORD_OPTIONS>;

/** @throws {TtunError} usage */
function readLoginName(text: string): string {
  if (/^[^:#\p{Cc}][^:\p{Cc}]{0,199}$/u.test(text)) return text;
  throw new TtunError("usage", "Cannot use that name: a colon would end it");
}

/** Returns milliseconds. @throws {TtunError} usage */
function readTime(text: string): number {
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(digits) * { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as "s"];
  if (ms > 0 && ms <= LONGEST_TIME) return ms;
  throw new TtunError("usage", "Cannot use that time: write it as 30m, 2h or 7d, 24d at most");
}

/** @throws {TtunError} usage */
function readInspect(text: string): HostPort {
  const at = readAddress(text, { host: "127.0.0.1", port: INSPECT_PORT });
  if (isLoopback(at.host)) return at;
  throw new TtunError(
    "usage",
    "Cannot show requests there: they may hold secrets, so the address is one of this machine " +
      "alone, as 127.0.0.1:4040",
  );
}

function readGateway(text: string): HostPort {
  const { host, port } = readAddress(text, { port: GATEWAY_PORT });
  if (host === "") throw new TtunError("usage", "There is no domain");
  return { host: readApex(host), port };
}
