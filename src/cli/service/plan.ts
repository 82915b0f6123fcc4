import { resolve } from "node:path";
import { TtunError } from "../../base/errors.ts";
import { type Entry, type FileCommands, whyIncomplete } from "../config/entries.ts";
import { loadConfig, problemLine, soundEntries } from "../config/file.ts";
import { configName, findConfig } from "../config/names.ts";
import { isStatusName } from "../status/options.ts";
import type { Manager } from "./managers.ts";
import { installHint, refuseUnseenProgram, safeFile } from "./safe_path.ts";
import { type Service, servicesOf } from "./service.ts";

/**
 * Returns the services of a configuration, none of whose files others may change. `text`: as the
 * user names it. @throws {TtunError} usage, privilege
 */
export function planServices(text: string, manager: Manager, commands: FileCommands): Service[] {
  const found = resolve(findConfig(text));
  const mend = (path: string) =>
    `copy it, as root: install -m 600 ${path} /etc/ttun/, and name that one`;
  const config = safeFile(found, "configuration", mend);
  const name = configName(text);
  if (!isStatusName(name)) {
    throw new TtunError(
      "usage",
      `Cannot name a service by ${config}: a file may have up to 64 letters, digits, dots, dashes ` +
        "and underscores before .toml",
    );
  }
  const services = servicesOf({ name, config, entries: soundHere(config, commands) }, commands);
  const [refused] = services.flatMap((one) => one.refused);
  if (manager.hasOwnUser && refused !== undefined) throw new TtunError("usage", refused);
  return services.map((service) => ({
    ...service,
    files: service.files.map((file) => ({
      ...file,
      path: file.path === config ? config : safeFile(file.path, file.name, mend),
    })),
  }));
}

/** The environment does not count: a service has another one. @throws {TtunError} usage */
function soundHere(config: string, commands: FileCommands): readonly Entry[] {
  const entries = soundEntries(loadConfig(config, commands));
  if (entries.length === 0) throw new TtunError("usage", `There is nothing to run in ${config}`);
  for (const entry of entries) {
    const message = whyIncomplete(entry, commands[entry.command]!, []);
    if (message === null) continue;
    throw new TtunError("usage", problemLine(config, { line: entry.line, message }));
  }
  return entries;
}

/** Returns the executable that services run. @throws {TtunError} usage */
export function findProgram(given: string | undefined, manager: Manager): string {
  if (given === undefined && !Deno.build.standalone) {
    throw new TtunError(
      "usage",
      "Cannot make a service of ttun's sources, whose parts others might change: install the " +
        "executable (docs/install.md), or name it by --program",
    );
  }
  const program = safeFile(resolve(given ?? Deno.execPath()), "program", installHint);
  if (manager.hasOwnUser) refuseUnseenProgram(program);
  return program;
}
