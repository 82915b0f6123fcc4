import { resolve } from "node:path";
import { EXIT_CODES, TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { type Entry, type FileCommands, whyIncomplete } from "../config/entries.ts";
import { loadConfig, problemLine, soundEntries } from "../config/file.ts";
import { configName, findConfig } from "../config/names.ts";
import { print } from "../output/stdout.ts";
import { isRoot } from "../platform/owners.ts";
import { type Need, requirePermissions } from "../platform/permissions.ts";
import { isStatusName } from "../status/options.ts";
import {
  type Installed,
  installedServices,
  refuseForeign,
  removeService,
  writeService,
} from "./files.ts";
import { type CommandLine, findManager, type Manager } from "./managers.ts";
import type { ServiceFlags, ServiceInstallFlags, ServiceLogsFlags } from "./options.ts";
import { installHint, refuseUnseenProgram, safeFile } from "./safe_path.ts";
import { type Service, servicesOf } from "./service.ts";
import { runAll, runOne } from "./tell_manager.ts";

/**
 * Makes a service of each run that a configuration asks for, and has it started at each boot.
 * @throws {TtunError} usage, privilege, in_use, system
 */
export async function runServiceInstall(
  { name: text, program: given }: ServiceInstallFlags,
  { signal }: RunContext,
  commands: FileCommands,
): Promise<number> {
  const manager = begin("install");
  const services = planned(text, manager, commands);
  const program = findProgram(given, manager);
  const { name, config } = services[0]!;
  for (const { id } of services) refuseForeign(manager, id, config);
  const ids = services.map(({ id }) => id);
  const before = installedServices(manager).filter((one) => one.name === name);
  const added = ids.filter((id) => !before.some((one) => one.id === id));
  try {
    for (const one of services) writeService(manager, one.id, manager.text(one, program));
    await tell(manager, manager.afterInstall(ids), signal);
  } catch (error) {
    for (const id of added) removeService(manager, id);
    throw error;
  }
  await removeAll(manager, before.filter((one) => !ids.includes(one.id)), signal);
  const lines = ids.map((id) => `${manager.pathOf(id)} is there, for ${manager.name}\n`);
  await print(`${lines.join("")}${nextStep(name, manager)}`, signal);
  return 0;
}

function nextStep(name: string, { isTried }: Manager): string {
  return isTried
    ? `It is started at each boot; now: ttun service start ${name}\n`
    : "This has not been tried on this system yet: look at it before you use it.\n" +
      `How to start it: ttun service start ${name}\n`;
}

/** Stops and removes exactly what `install` has made. @throws {TtunError} usage, privilege, system */
export async function runServiceUninstall(
  { name }: ServiceFlags,
  { signal }: RunContext,
): Promise<number> {
  const manager = begin("uninstall");
  await removeAll(manager, chosen(manager, name), signal);
  return 0;
}

async function removeAll(
  manager: Manager,
  services: readonly Installed[],
  signal: AbortSignal,
): Promise<void> {
  if (services.length === 0) return;
  await tell(manager, manager.beforeRemoval(services.map(({ id }) => id)), signal);
  for (const { id } of services) {
    removeService(manager, id);
    await print(`${manager.pathOf(id)} is removed\n`, signal);
  }
  await tell(manager, manager.afterRemoval, signal);
}

/** @throws {TtunError} usage, privilege, system */
export async function runServiceStart(
  { name }: ServiceFlags,
  { signal }: RunContext,
): Promise<number> {
  const manager = begin("start");
  await tell(manager, manager.start(idsOf(chosen(manager, name))), signal);
  return 0;
}

/** @throws {TtunError} usage, privilege, system */
export async function runServiceStop(
  { name }: ServiceFlags,
  { signal }: RunContext,
): Promise<number> {
  const manager = begin("stop");
  await tell(manager, manager.stop(idsOf(chosen(manager, name))), signal);
  return 0;
}

/** Has the manager tell how services are. Returns 0, or a code if one does not run. @throws {TtunError} */
export async function runServiceStatus(
  { name }: ServiceFlags,
  { signal }: RunContext,
): Promise<number> {
  const manager = findManager();
  const services = name === undefined ? installedServices(manager) : chosen(manager, name);
  if (services.length === 0) throw noneThere();
  const lines = manager.status(idsOf(services));
  if (!manager.isTried) return await printLines(lines, signal);
  const codes: number[] = [];
  for (const line of lines) codes.push(await runOne(line, signal));
  return codes.every((code) => code === 0) ? 0 : EXIT_CODES.unreachable.code;
}

/** @throws {TtunError} usage, system */
export async function runServiceLogs(
  { name, lines, follow }: ServiceLogsFlags,
  { signal }: RunContext,
): Promise<number> {
  const manager = findManager();
  await tell(manager, manager.logs(idsOf(chosen(manager, name)), { lines, follow }), signal);
  return 0;
}

function idsOf(services: readonly Installed[]): string[] {
  return services.map(({ id }) => id);
}

/** Finds the manager for what takes root. @throws {TtunError} system, privilege */
function begin(doing: string): Manager {
  const manager = findManager();
  if (Deno.build.os !== "windows" && !isRoot()) {
    throw new TtunError(
      "privilege",
      `Cannot ${doing} a service: that takes root; run it by sudo`,
    );
  }
  const needs: Need[] = [
    { permission: { name: "read" }, purpose: `${doing} a service` },
    { permission: { name: "write", path: manager.folder }, purpose: `${doing} a service` },
  ];
  requirePermissions(needs, "service");
  return manager;
}

/** @throws {TtunError} usage, privilege */
function planned(text: string, manager: Manager, commands: FileCommands): Service[] {
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

/** @throws {TtunError} usage */
function findProgram(given: string | undefined, manager: Manager): string {
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

/** @throws {TtunError} usage, if there is none or several without a name */
function chosen(manager: Manager, text: string | undefined): Installed[] {
  const all = installedServices(manager);
  if (text === undefined) {
    const names = [...new Set(all.map(({ name }) => name))];
    if (names.length === 1) return all;
    if (names.length === 0) throw noneThere();
    throw new TtunError("usage", `There are several services: name one of ${names.join(", ")}`);
  }
  const name = configName(text);
  const found = all.filter((one) => one.name === name);
  if (found.length > 0) return found;
  const path = manager.pathOf(`ttun-${name}`);
  throw new TtunError(
    "usage",
    isForeign(path)
      ? `${path} is not of ttun service install: it is left alone; ${manager.name} itself knows it`
      : `There is no service ${name}; ttun service install ${name} makes one`,
  );
}

function isForeign(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Error) return false; // it is missing or cannot be inspected
    throw error;
  }
}

function noneThere(): TtunError {
  return new TtunError("usage", "There is no service yet: ttun service install NAME makes one");
}

/** Tells the manager, or prints how a person does where that has not been tried. @throws {TtunError} system */
async function tell(
  { isTried }: Manager,
  lines: readonly CommandLine[],
  signal: AbortSignal,
): Promise<void> {
  if (isTried) await runAll(lines, signal);
  else await printLines(lines, signal);
}

async function printLines(lines: readonly CommandLine[], signal: AbortSignal): Promise<number> {
  await print(lines.map((line) => `Run: ${line.join(" ")}\n`).join(""), signal);
  return 0;
}
