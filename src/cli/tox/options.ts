import { TtunError } from "../../base/errors.ts";
import type { Target } from "../../base/target.ts";
import { parseLocalForward, parseStdioForward } from "../../core/forward/parse.ts";
import { isUdp, type LocalForwardSpec } from "../../core/forward/spec.ts";
import { LOG_OPTIONS } from "../command/common_options.ts";
import type { OptionTable, Values } from "../command/option_table.ts";
import { FORWARD_CLIENT_OPTIONS, FORWARD_SERVER_OPTIONS } from "../forward/options.ts";
import { DAEMON_OPTIONS } from "../background/options.ts";
import { STATUS_OPTIONS } from "../status/options.ts";
import { parseToxEnd } from "./end.ts";
import { readUdpPorts } from "./udp_ports.ts";

/** Seconds for the first link: most take ten, some forty, and the network may be far. */
const DEADLINE = 120;

/** Letters mean what they mean to the program tuntox. */
export const TOX_OPTIONS = {
  id: {
    names: ["id", "i"],
    group: "basic",
    kind: "list",
    metavar: "TOX_ID|NAME",
    parse: parseToxEnd,
    variable: "TTUN_TOX_ID",
    help: "of a client: the server's Tox ID; of a server: a client that may come, and no others " +
      "then; repeat for more; NAME is one of ~/.config/ttun/tox-hosts or ~/.tuntox/hosts, whose " +
      "lines have a name, a Tox ID and the secret",
  },
  local: {
    ...FORWARD_CLIENT_OPTIONS.local,
    metavar: "[BIND:]PORT:HOST:PORT",
    parse: readLocal,
    help: "be a client: listen here, on 127.0.0.1 unless BIND is given, and connect from the " +
      "server to HOST:PORT; @ may stand for the colons; repeat for more",
  },
  remote: {
    ...FORWARD_CLIENT_OPTIONS.remote,
    help: "be a client: have the server listen and connect from here to HOST:PORT, which takes a " +
      "server that is ttun, with --permit-listen; without HOST:PORT its port is a SOCKS and HTTP " +
      "proxy whose connections leave from here; repeat for more",
  },
  dynamic: {
    ...FORWARD_CLIENT_OPTIONS.dynamic,
    help: "be a client: be a SOCKS and HTTP proxy here, on 127.0.0.1 unless BIND is given, whose " +
      "connections leave from the server; repeat for more",
  },
  stdio: {
    ...FORWARD_CLIENT_OPTIONS.stdio,
    parse: readStdio,
    help:
      "be a client: connect standard input and output with HOST:PORT from the server, and end " +
      "with it: for ssh's ProxyCommand; a failure's exit code is 255",
  },
  ping: {
    names: ["ping", "p"],
    group: "basic",
    kind: "boolean",
    default: false,
    conflicts: ["local", "remote", "dynamic", "stdio"],
    help: "be a client: send ten pings to the server, print how long the answers took, and end",
  },
  configDir: {
    names: ["config-dir", "C"],
    group: "basic",
    kind: "string",
    metavar: "DIR",
    help: "the folder of the identity, whose file is tox_save as the program tuntox has it; a " +
      "client has a new identity at each start without this",
    defaultText: "of a server: the state directory",
  },
  idFile: {
    names: ["id-file", "I"],
    group: "basic",
    kind: "string",
    metavar: "FILE",
    help: "write the Tox ID of this end into FILE",
  },
  deadline: {
    names: ["deadline"],
    group: "basic",
    kind: "integer",
    metavar: "SECONDS",
    min: 1,
    max: 86_400,
    default: DEADLINE,
    help: "of a client: give up when there is no connection after SECONDS, and say what was " +
      "reached; later losses have no limit",
  },
  secret: {
    names: ["secret", "s"],
    group: "security",
    kind: "string",
    metavar: "STRING",
    conflicts: ["secretFile"],
    secret: true,
    variable: "TTUN_TOX_SECRET",
    help:
      "the secret that both ends have; process lists can show it, so better use --secret-file; " +
      "without both, TTUN_TOX_SECRET or TUNTOX_SHARED_SECRET",
  },
  secretFile: {
    names: ["secret-file"],
    group: "security",
    kind: "string",
    metavar: "FILE",
    help: "read the secret from FILE, which only its owner may read (- is standard input)",
  },
  open: {
    names: ["open"],
    group: "security",
    kind: "boolean",
    default: false,
    help: "of a server: let anybody in who knows the Tox ID, without a secret and without -i",
  },
  allow: {
    ...FORWARD_SERVER_OPTIONS.allow,
    help: "of a server: let clients connect to this network, or to this name as they ask for it; " +
      "rules as for ttun server; repeat for more",
  },
  deny: {
    ...FORWARD_SERVER_OPTIONS.deny,
    help: "of a server: let clients not connect there; repeat for more",
  },
  permitListen: {
    ...FORWARD_SERVER_OPTIONS.permitListen,
    help:
      "of a server: listen there for clients that are ttun (their -R), on 127.0.0.1 unless an " +
      "address is given, * for all; repeat for more",
  },
  rules: {
    names: ["rules", "f"],
    group: "network",
    kind: "string",
    metavar: "FILE",
    variable: null,
    help: "of a server: let clients connect to nothing but the targets in FILE, of lines as " +
      "HOST:PORT, with * for any host and 0 for any port; --permit-open and --deny hold as well",
  },
  relayPort: {
    names: ["relay-port", "t"],
    group: "network",
    kind: "integer",
    metavar: "PORT",
    min: 0,
    max: 65_535,
    default: 0,
    help: "be a TCP relay of the Tox network on PORT too; 0 = none",
  },
  udpPorts: {
    names: ["udp-ports", "u"],
    group: "network",
    kind: "string",
    metavar: "FIRST:LAST",
    parse: readUdpPorts,
    help: "take the first free one of these UDP ports",
    defaultText: "33445:33545",
  },
  nodes: {
    names: ["nodes", "b"],
    group: "network",
    kind: "string",
    metavar: "FILE",
    help: "find the Tox network by the nodes in FILE, the JSON of nodes.tox.chat, which is kept " +
      "for starts without this",
    defaultText: "the list that is kept, and one in ttun; see ttun tox nodes",
  },
  user: {
    names: ["user", "U"],
    group: "security",
    kind: "string",
    metavar: "NAME",
    help: "become this user once everything is open (Linux)",
  },
  daemon: {
    ...DAEMON_OPTIONS.daemon,
    names: ["daemon"],
    conflicts: [],
    help: "go to the background: a server when it has its ports, a client when its server is " +
      "online; until then ttun waits, and ends with the exit code of a failure (Linux)",
  },
  daemonize: {
    names: ["daemonize", "z"],
    group: "basic",
    kind: "boolean",
    default: false,
    help: "go to the background as with --daemon, and log as with --syslog unless there is " +
      "--log-file",
  },
  pid: { ...DAEMON_OPTIONS.pid, names: ["pid", "F"] },
  logFile: DAEMON_OPTIONS.logFile,
  syslog: {
    names: ["syslog", "S"],
    group: "logging",
    kind: "boolean",
    default: false,
    conflicts: ["logFile"],
    help: "log to the system's log too, as local1 (/dev/log, Linux); standard error has the " +
      "beginning and errors alone then",
  },
  ...STATUS_OPTIONS,
  ...LOG_OPTIONS,
  verbose: { ...LOG_OPTIONS.verbose, names: ["verbose", "v", "d"] },
} as const satisfies OptionTable;

/** Of `ttun tox ssh`, which has its options before the name, and all behind it is ssh's. */
export const TOX_SSH_OPTIONS = {
  destination: {
    names: ["destination"],
    variable: null,
    group: "basic",
    kind: "list",
    metavar: "[USER@]NAME [SSH_ARGS]",
    parse: parseDestination,
    positional: true,
    takesRest: true,
    required: true,
    help: "a host of ~/.config/ttun/tox-hosts or ~/.tuntox/hosts, or a Tox ID; what stands " +
      "behind it is for ssh; --destination may be left out",
  },
  login: {
    names: ["login", "l"],
    variable: null,
    group: "basic",
    kind: "string",
    metavar: "USER",
    help: "the user there, as programs like rsync say it",
  },
  configDir: TOX_OPTIONS.configDir,
  deadline: TOX_OPTIONS.deadline,
  secretFile: {
    ...TOX_OPTIONS.secretFile,
    help: "read the secret from FILE in place of the host's",
  },
  udpPorts: TOX_OPTIONS.udpPorts,
  nodes: TOX_OPTIONS.nodes,
  verbose: {
    names: ["verbose", "v"],
    group: "logging",
    kind: "boolean",
    default: false,
    help: "log how the server is reached",
  },
} as const satisfies OptionTable;

export type ToxSshFlags = Values<typeof TOX_SSH_OPTIONS>;

/** Of `ttun tox nodes`. */
export const TOX_NODES_OPTIONS = {
  update: {
    names: ["update"],
    variable: null,
    group: "basic",
    kind: "boolean",
    default: false,
    help: "fetch a new list before, and keep it in the state directory",
  },
  from: {
    names: ["from"],
    variable: null,
    group: "basic",
    kind: "string",
    metavar: "URL",
    parse: parseListUrl,
    default: "https://nodes.tox.chat/json",
    help: "where --update fetches it",
  },
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export type ToxNodesFlags = Values<typeof TOX_NODES_OPTIONS>;

/** Of `ttun tox id`. */
export const TOX_ID_OPTIONS = {
  configDir: { ...TOX_OPTIONS.configDir, help: "the folder of the identity, in its file tox_save" },
  ...LOG_OPTIONS,
} as const satisfies OptionTable;

export type ToxIdFlags = Values<typeof TOX_ID_OPTIONS>;

export type ToxFlags = Values<typeof TOX_OPTIONS>;

/** Refuses what ssh would take for an option. */
function parseDestination(text: string): string {
  if (!text.startsWith("-")) return text;
  throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: write NAME or USER@NAME`);
}

function parseListUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return url.href;
  throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: write https://HOST/PATH`);
}

function readLocal(text: string): LocalForwardSpec & { readonly to: Target } {
  const spec = parseLocalForward(text.replace(/^(\d{1,5})[@:]([^@]+)[@:](\d{1,5})$/, "$1:$2:$3"));
  if (!isUdp(spec) && !("path" in spec.to)) return { ...spec, to: spec.to };
  throw new TtunError("usage", "Cannot use this over Tox: it carries TCP to HOST:PORT alone");
}

function readStdio(text: string): Target {
  const to = parseStdioForward(text.replace(/^([^@]+)@(\d{1,5})$/, "$1:$2"));
  if (!("path" in to)) return to;
  throw new TtunError("usage", "Cannot use this over Tox: it carries TCP to HOST:PORT alone");
}
