import { TtunError } from "../../base/errors.ts";
import { isThere } from "../../io/files/present.ts";
import {
  launchdLog,
  launchdPlist,
  openrcLog,
  openrcScript,
  WINDOWS_FOLDER,
  windowsLog,
  windowsScript,
} from "./other_managers.ts";
import type { Service } from "./service.ts";
import { systemdUnit } from "./systemd_unit.ts";

export type CommandLine = readonly string[];

export interface LogWishes {
  readonly lines: number;
  readonly follow: boolean;
}

/** A program that starts services on a machine, and how it is told to. */
export interface Manager {
  readonly name: string;
  /** Where a service's file is, by the service's name. */
  pathOf(id: string): string;
  /** The service of such a file; null for other files. */
  idOf(file: string): string | null;
  readonly folder: string;
  readonly mode: number;
  text(service: Service, program: string): string;
  /** Folders where other programs' services of the same names may be. */
  readonly otherFolders: readonly string[];
  /** Its user is not root: it sees no home, and some options are not for it. */
  readonly hasOwnUser: boolean;
  /** False: the programs that it is told by have not been tried, and are printed. */
  readonly isTried: boolean;
  afterInstall(ids: readonly string[]): CommandLine[];
  beforeRemoval(ids: readonly string[]): CommandLine[];
  readonly afterRemoval: readonly CommandLine[];
  start(ids: readonly string[]): CommandLine[];
  stop(ids: readonly string[]): CommandLine[];
  status(ids: readonly string[]): CommandLine[];
  logs(ids: readonly string[], wishes: LogWishes): CommandLine[];
}

const SYSTEMD: Manager = {
  name: "systemd",
  ...place("/etc/systemd/system/", ".service"),
  mode: 0o644,
  text: (service, program) =>
    systemdUnit(service, { program, replacesResolvConf: replacesResolvConf() }),
  otherFolders: ["/usr/lib/systemd/system/", "/lib/systemd/system/"],
  hasOwnUser: true,
  isTried: true,
  afterInstall: (ids) => [["systemctl", "daemon-reload"], ["systemctl", "enable", ...units(ids)]],
  beforeRemoval: (ids) => [["systemctl", "disable", "--now", ...units(ids)]],
  afterRemoval: [["systemctl", "daemon-reload"]],
  start: (ids) => [["systemctl", "start", ...units(ids)]],
  stop: (ids) => [["systemctl", "stop", ...units(ids)]],
  status: (ids) => [["systemctl", "status", "--no-pager", ...units(ids)]],
  logs: (ids, { lines, follow }) => [[
    "journalctl",
    "--no-pager",
    "-n",
    String(lines),
    ...(follow ? ["-f"] : []),
    ...units(ids).flatMap((unit) => ["-u", unit]),
  ]],
};

function units(ids: readonly string[]): string[] {
  return ids.map((id) => `${id}.service`);
}

const OPENRC: Manager = {
  name: "OpenRC",
  ...place("/etc/init.d/", ""),
  mode: 0o755,
  text: openrcScript,
  otherFolders: [],
  hasOwnUser: false,
  isTried: true,
  afterInstall: (ids) => ids.map((id) => ["rc-update", "add", id, "default"]),
  beforeRemoval: (ids) =>
    ids.flatMap((
      id,
    ) => [["rc-service", "--ifstarted", id, "stop"], ["rc-update", "delete", id, "default"]]),
  afterRemoval: [],
  start: (ids) => ids.map((id) => ["rc-service", id, "start"]),
  stop: (ids) => ids.map((id) => ["rc-service", id, "stop"]),
  status: (ids) => ids.map((id) => ["rc-service", id, "status"]),
  logs: (ids, wishes) => [tail(ids.map(openrcLog), wishes)],
};

const LAUNCHD: Manager = {
  name: "launchd",
  ...place("/Library/LaunchDaemons/", ".plist"),
  mode: 0o644,
  text: launchdPlist,
  otherFolders: [],
  hasOwnUser: false,
  isTried: false,
  afterInstall: () => [],
  beforeRemoval: (ids) => ids.map((id) => ["sudo", "launchctl", "bootout", `system/${id}`]),
  afterRemoval: [],
  start: (ids) => ids.map((id) => ["sudo", "launchctl", "bootstrap", "system", LAUNCHD.pathOf(id)]),
  stop: (ids) => ids.map((id) => ["sudo", "launchctl", "bootout", `system/${id}`]),
  status: (ids) => ids.map((id) => ["launchctl", "print", `system/${id}`]),
  logs: (ids, wishes) => [tail(ids.map(launchdLog), wishes)],
};

const WINDOWS: Manager = {
  name: "the Windows task scheduler",
  ...place(WINDOWS_FOLDER, ".cmd"),
  mode: 0o644,
  text: windowsScript,
  otherFolders: [],
  hasOwnUser: false,
  isTried: false,
  afterInstall: (ids) => ids.map((id) => [`"${WINDOWS.pathOf(id)}"`]),
  beforeRemoval: (ids) => ids.map((id) => ["schtasks", "/Delete", "/F", "/TN", id]),
  afterRemoval: [],
  start: (ids) => ids.map((id) => ["schtasks", "/Run", "/TN", id]),
  stop: (ids) => ids.map((id) => ["schtasks", "/End", "/TN", id]),
  status: (ids) => ids.map((id) => ["schtasks", "/Query", "/V", "/FO", "LIST", "/TN", id]),
  logs: (ids, { lines }) =>
    ids.map((id) => [
      "powershell",
      "-Command",
      `"Get-Content -Tail ${lines} '${windowsLog(id)}'"`,
    ]),
};

/** Services have files of their names in the folder; all begin with `ttun-`. */
function place(folder: string, end: string): Pick<Manager, "folder" | "pathOf" | "idOf"> {
  return {
    folder,
    pathOf: (id) => `${folder}${id}${end}`,
    idOf: (file) =>
      file.startsWith("ttun-") && file.endsWith(end)
        ? file.slice(0, file.length - end.length)
        : null,
  };
}

function tail(paths: readonly string[], { lines, follow }: LogWishes): string[] {
  return ["tail", "-n", String(lines), ...(follow ? ["-F"] : []), ...paths];
}

/** Returns what starts services here. @throws {TtunError} system */
export function findManager(): Manager {
  switch (Deno.build.os) {
    case "darwin":
      return LAUNCHD;
    case "windows":
      return WINDOWS;
    default:
      if (isThere("/run/systemd/system")) return SYSTEMD; // sd_booted(3)
      if (isThere("/run/openrc")) return OPENRC;
      throw new TtunError(
        "system",
        "There is neither systemd nor OpenRC in charge of this machine: have its own supervisor run " +
          "ttun up --foreground NAME",
      );
  }
}

/** True if the machine's name servers do not stand in systemd-resolved. */
function replacesResolvConf(): boolean {
  try {
    return !Deno.readLinkSync("/etc/resolv.conf").includes("/systemd/resolve/");
  } catch (error) {
    if (error instanceof Error) return true; // a file, or none
    throw error;
  }
}

/** All managers, for tests of what they write. */
export const MANAGERS = { SYSTEMD, OPENRC, LAUNCHD, WINDOWS };
