import { EXIT_CODES, TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import type { FileCommands } from "../config/entries.ts";
import { configName } from "../config/names.ts";
import { print } from "../output/stdout.ts";
import { isRoot } from "../platform/owners.ts";
import { type Need, requirePermissions } from "../platform/permissions.ts";
import {
  type Installed,
  installedServices,
  refuseForeign,
  removeService,
  writeService,
} from "./files.ts";
import { type CommandLine, findManager, type Manager } from "./managers.ts";
import type { ServiceFlags, ServiceInstallFlags, ServiceLogsFlags } from "./options.ts";
import { findProgram, planServices } from "./plan.ts";
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
  const services = planServices(text, manager, commands);
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
