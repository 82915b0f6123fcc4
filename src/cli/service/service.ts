import { TtunError } from "../../base/errors.ts";
import { completeArgs } from "../command/args.ts";
import { type Entry, type FileCommands, fileOptions, tableOf } from "../config/entries.ts";
import type { OptionTable } from "../command/option_table.ts";
import { forwardsAlone } from "../forward/conflicts.ts";
import { isStatusName } from "../status/options.ts";
import type { ToxEnd } from "../tox/end.ts";
import type { TunFlags } from "../tun/options.ts";
import { labelOf } from "../up/plan.ts";

/** The key that counts where a configuration names none. */
const DEFAULT_KEY = "/etc/ttun/key";

/** The folder of root's node, where none is named. */
const NODE_FOLDER = "/var/lib/ttun/mesh";

/** Ports below take a right of their own (ip_unprivileged_port_start). */
const FIRST_FREE_PORT = 1024;

/** A file that a service reads. */
export interface ServiceFile {
  /** Its purpose, most often the option that names it. */
  readonly name: string;
  readonly path: string;
  /** The option that names it where it lies elsewhere; null = none has to. */
  readonly option: string | null;
  /** Begins the option's value. */
  readonly prefix: string;
}

/** One run of a command that a service manager starts. */
export interface Service {
  /** The service's name, as ttun-office. */
  readonly id: string;
  /** Of the configuration. */
  readonly name: string;
  /** An absolute path. */
  readonly config: string;
  /** All words of the command. */
  readonly command: string;
  /** Which of the file's tables for this command, from 1. */
  readonly number: number;
  /** The configuration first. */
  readonly files: readonly ServiceFile[];
  readonly hasDevice: boolean;
  /** Listens on a port that takes a right of its own. */
  readonly hasLowPorts: boolean;
  /** Writes settings of the kernel below /proc/sys/net. */
  readonly writesSettings: boolean;
  readonly setsNameServers: boolean;
  /** The folder of a node of `ttun mesh`, which commands of root write to as well; null = it is none. */
  readonly nodeFolder: string | null;
  readonly hasKillSwitch: boolean;
  /** The name for ttun status; null = the configuration has one, or wants none. */
  readonly statusName: string | null;
  /** Options that a manager which starts it as a user of its own cannot follow, with the reason. */
  readonly refused: readonly string[];
}

/** Options against which a service manager is right, and why. */
const NEVER: Readonly<Record<string, string>> = {
  daemon: "the service manager has it in the background",
  background: "the service manager has it in the background",
  daemonize: "the service manager has it in the background",
  stdio: "a service has no standard input",
  ping: "it ends by itself",
};

/** Options that a service with a user of its own cannot follow. */
const NOT_AS_OWN_USER: Readonly<Record<string, string>> = {
  user: "the service has a user of its own",
  pid: "the service manager knows the process",
  logFile: "the log goes to the journal",
  syslog: "the log goes to the journal",
  configDir:
    "the identity is in a folder of its own, ttun-NAME in /var/lib, where tox_save may be put",
  idFile: "it can write to no such place; its log has the Tox ID",
};

/** Options that say where the service listens. */
const LISTENING: readonly string[] = [
  ...["listen", "joinListen", "api", "gateway", "redirect", "dns"],
  ...["local", "dynamic", "metrics", "udpPorts"],
];

/** Options that name files which the service reads. */
const FILE_OPTIONS: readonly string[] = [
  ...["keyFile", "authFile", "directFile"],
  ...["secretFile", "rules", "nodes"],
  ...["storePasswordFile", "storeCa", "passphraseFile", "acmeCa", "acmeAccountFile"],
];

/**
 * Returns what a configuration asks for as services. `entries`: without faults.
 * @throws {TtunError} usage, for what no service can run
 */
export function servicesOf(
  { name, config, entries }: { name: string; config: string; entries: readonly Entry[] },
  commands: FileCommands,
): Service[] {
  return entries.map((entry) => {
    const command = commands[entry.command]!;
    const table = `[[${tableOf(entry.command)}]] in line ${entry.line} of ${config}`;
    if (command.options["daemon"] === undefined) {
      throw new TtunError("usage", `Cannot make a service of ${table}, which ends by itself`);
    }
    const options = fileOptions(command);
    const values = completeArgs(options, {}, [entry.layer]) as Readonly<Record<string, unknown>>;
    const isGiven = (key: string) => values[key] !== undefined && values[key] !== false;
    const named = (reasons: Readonly<Record<string, string>>) =>
      Object.entries(reasons).filter(([key]) => isGiven(key)).map(([key, why]) =>
        `Cannot make a service of ${table} with ${options[key]!.names[0]}: ${why}; take it out`
      );
    const [first] = named(NEVER);
    if (first !== undefined) throw new TtunError("usage", first);
    const isTunnel = entry.command === "server" || entry.command === "client";
    const whole = entries.length === 1 ? name : `${name}-${labelOf(entry, entries)}`;
    return {
      id: `ttun-${whole}`,
      statusName: isGiven("statusName") || isGiven("noStatus") || !isStatusName(whole)
        ? null
        : whole,
      name,
      config,
      command: entry.command,
      number: entry.number,
      files: filesOf(config, entry, values, options),
      hasDevice: isTunnel && !forwardsAlone(values as unknown as TunFlags),
      hasLowPorts: LISTENING.some((key) => isLow(values[key])) ||
        isLow({ port: values["relayPort"] }),
      writesSettings: ["nat", "defaultRoute", "killSwitch"].some(isGiven),
      setsNameServers: isTunnel && ["dns", "acceptDns"].some(isGiven),
      nodeFolder: entry.command === "mesh node"
        ? absolute(`${values["data"] ?? NODE_FOLDER}`, "data")
        : null,
      hasKillSwitch: isGiven("killSwitch"),
      refused: [...named(NOT_AS_OWN_USER), ...toxNames(values["id"], table)],
    };
  });
}

function filesOf(
  config: string,
  entry: Entry,
  values: Readonly<Record<string, unknown>>,
  options: OptionTable,
): ServiceFile[] {
  const named = FILE_OPTIONS.flatMap((key) => {
    const path = values[key];
    if (typeof path !== "string") return [];
    const name = options[key]!.names[0];
    return [{ name, path: absolute(path, name), option: name, prefix: "" }];
  });
  const server = entry.layer.get("server")?.at(-1)?.text ?? "";
  const link = /^link:(.*)$/i.exec(server)?.[1];
  const isShared = /^(link|ttun):/i.test(server);
  const hasKey = isShared || options["keyFile"] === undefined || values["key"] !== undefined ||
    values["keyFile"] !== undefined;
  return [
    { name: "config", path: config, option: "config", prefix: "" },
    ...named,
    ...(link === undefined
      ? []
      : [{ name: "link", path: absolute(link, "server"), option: "server", prefix: "link:" }]),
    ...(hasKey ? [] : [{ name: "ttun-key", path: DEFAULT_KEY, option: null, prefix: "" }]),
  ];
}

function absolute(path: string, option: string): string {
  if (/^([a-z]:)?[\\/]/i.test(path)) return path;
  throw new TtunError(
    "usage",
    `Cannot make a service with ${option} ${JSON.stringify(path)}: ` +
      "give the path from / on, for a service has no folder that it is started in",
  );
}

/** Names of hosts are in files of a home, which it does not see. */
function toxNames(ids: unknown, table: string): string[] {
  const ends = Array.isArray(ids) ? ids as readonly ToxEnd[] : [];
  return ends.flatMap((end) =>
    "name" in end
      ? [
        `Cannot make a service of ${table} with id ${end.name}: give the Tox ID, for a service sees no tox-hosts`,
      ]
      : []
  );
}

/** True if an end of the value, or of one of its parts, listens on a low port. */
function isLow(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isLow);
  if (typeof value !== "object" || value === null) return false;
  // Of an endpoint (endpoint.ts), of a forward (spec.ts), of an address, of a range of ports.
  const { at, listen, port, first = port } = value as Readonly<Record<string, unknown>>;
  if (typeof first === "number") return first > 0 && first < FIRST_FREE_PORT;
  return isLow(at) || isLow(listen);
}

/** The arguments of a service. `placeOf`: where it finds a file; the file's own path = there. */
export function serviceArgs(
  { command, number, files }: Service,
  placeOf: (file: ServiceFile) => string,
  statusName: string | null = null,
): string[] {
  const [config, ...others] = files;
  const options = others.filter((file) => file.option !== null && placeOf(file) !== file.path);
  return [
    ...command.split(" "),
    "--config",
    placeOf(config!),
    "--config-entry",
    String(number),
    ...options.flatMap((file) => [`--${file.option}`, `${file.prefix}${placeOf(file)}`]),
    ...(statusName === null ? [] : ["--status-name", statusName]),
  ];
}

/** The first lines, in which a mark is looked for. */
const MARK_LINES = 8;

const MARK = /\bMade by ttun service install (\S+) from (.+?) *(?:$|-->|;|<)/m;

/** The words by which a file is known as this program's own. */
export function serviceMark({ name, config }: Pick<Service, "name" | "config">): string {
  return `Made by ttun service install ${name} from ${config}`;
}

/** Returns the configuration for which a file was made; null = another program's, or a person's. */
export function markIn(text: string): { readonly name: string; readonly config: string } | null {
  const [, name, config] = MARK.exec(text.split("\n").slice(0, MARK_LINES).join("\n")) ?? [];
  return name === undefined || config === undefined ? null : { name, config };
}
