import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { allFolders } from "../status/folders.ts";
import {
  findLeftovers,
  type Leftover,
  NO_PROCESS,
  repair,
  type Repaired,
  staleNameServers,
} from "../../io/changes/repair.ts";
import { describeStep } from "../../io/changes/undo_step.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { exitCodeOf, type Finding, findingText } from "../../core/doctor/finding.ts";
import { maskReport } from "../../core/doctor/mask.ts";
import { takeLink } from "../share/take_link.ts";
import { addressOf, type Endpoint, formatEndpoint, hopOf, hostOf } from "../transport/endpoint.ts";
import { VERSION } from "../version.ts";
import { cipherChecks } from "./cipher_checks.ts";
import { type DoctorKey, doctorKey } from "./doctor_key.ts";
import type { DoctorFlags } from "./options.ts";
import { tunnelMtuChecks } from "./path_checks.ts";
import { portCheck } from "./port_checks.ts";
import { serverChecks } from "./server_checks.ts";
import { systemChecks } from "./system_checks.ts";

/**
 * Looks at what this machine has, and what killed processes have left on it, or takes that away.
 * Returns the exit code, by the worst that was found. @throws {TtunError} privilege, system
 */
export async function runDoctor(given: DoctorFlags, context: RunContext): Promise<number> {
  const { signal } = context;
  if (Deno.build.os !== "linux") {
    throw new TtunError("system", "Cannot look at this machine: ttun doctor is for Linux so far");
  }
  if (given.repair) return await runRepair(signal);
  const plan = await planOf(given, context);
  using libc = openLibc();
  const { json, report } = given;
  const host = plan.server === undefined ? null : hostOf(plan.server);
  const write = (text: string) =>
    print(report ? maskReport(text, host === null ? [] : [host]) : text, signal);
  if (report) await write(`ttun ${VERSION}, Deno ${Deno.version.deno}, ${Deno.build.target}\n`);
  const findings: Finding[] = [];
  for await (const finding of allChecks(libc, plan, signal)) {
    signal.throwIfAborted();
    findings.push(finding);
    if (!json) await write(findingText(finding));
  }
  if (json) await write(`${JSON.stringify({ version: 1, findings })}\n`);
  return exitCodeOf(findings);
}

/** Things to look at beside the machine itself. */
interface Plan {
  readonly server: Endpoint | undefined;
  readonly found: DoctorKey;
  readonly listen: HostPort | undefined;
}

/** @throws {TtunError} usage, privilege */
async function planOf(given: DoctorFlags, context: RunContext): Promise<Plan> {
  const { listen } = given;
  if (given.server === undefined) return { server: undefined, found: { why: "" }, listen };
  const options = await takeLink(
    { ...given, server: given.server, cipher: "auto" as const },
    context,
  );
  const { server } = options;
  if (addressOf(server) === null && hopOf(server) === null) {
    throw new TtunError(
      "usage",
      `Cannot look at the way to ${formatEndpoint(server)}: give a host, or hop://HOST`,
    );
  }
  return { server, found: await doctorKey(options, context), listen };
}

/** Makes the checks one by one, for whoever shows what is known already. */
async function* allChecks(
  libc: Libc,
  { server, found, listen }: Plan,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  yield* systemChecks(libc);
  yield* cipherChecks();
  yield leftoverFinding(libc);
  if (listen !== undefined) yield portCheck(libc, listen);
  yield* tunnelMtuChecks(libc, signal);
  if (server !== undefined) yield* serverChecks(server, { libc, found, signal });
}

/** Takes away what killed processes have left. @throws {TtunError} privilege, system */
async function runRepair(signal: AbortSignal): Promise<number> {
  using libc = openLibc();
  const leftovers = leftoversOf(libc);
  if (leftovers.length === 0) {
    await print("No killed ttun has left anything here\n", signal);
    return 0;
  }
  const done = repair(leftovers, libc, { keepsOutliving: false });
  await print([...done.map(repairedText), ...leftovers.map(ignoredText)].join(""), signal);
  const failures = done.filter(({ failure }) => failure !== undefined);
  if (failures.length === 0) return 0;
  throw new TtunError(
    "system",
    `Cannot take away all of it: ${failures[0]!.failure}; run: sudo ttun doctor --repair`,
  );
}

function leftoverFinding(libc: Libc): Finding {
  const check = "left-behind";
  try {
    const found = allLeftovers(libc);
    if (found.length === 0) {
      return { check, level: "ok", says: "no killed ttun has left anything here" };
    }
    const says = found.map(leftoverText).join("; ");
    return { check, level: "fail", says, mend: "sudo ttun doctor --repair" };
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    return { check, level: "skip", says: "root alone may see it", mend: "run it with sudo" };
  }
}

/** @throws Deno.errors.PermissionDenied */
function allLeftovers(libc: Libc): Leftover[] {
  const folders = allFolders();
  const found = folders.flatMap((folder) => findLeftovers(libc, folder));
  const isKnown = found.some(({ open }) => open.some(({ step }) => step.kind === "resolvConf"));
  return isKnown ? found : [...found, ...staleNameServers(libc, folders)];
}

/** @throws {TtunError} privilege */
function leftoversOf(libc: Libc): Leftover[] {
  try {
    return allLeftovers(libc);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw new TtunError(
      "privilege",
      "Cannot see what killed ttuns have left here: root alone may; run ttun doctor with sudo",
      { cause },
    );
  }
}

function leftoverText({ pid, open, strange }: Leftover): string {
  return [
    ...open.map(({ step }) => `${processText(pid)} left ${describeStep(step)}`),
    ...(strange === 0 ? [] : [`${processText(pid)} left ${strangeText(strange)}`]),
  ].join("; ");
}

function strangeText(count: number): string {
  return count === 1 ? "a line that is not ttun's" : `${count} lines that are not ttun's`;
}

/** Such lines go with their file. */
function ignoredText({ pid, path, strange }: Leftover): string {
  return strange === 0
    ? ""
    : `ignored ${strangeText(strange)} in ${path}, of ${processText(pid)}\n`;
}

function repairedText({ pid, what, failure, left }: Repaired): string {
  if (left !== undefined) return `left ${what}, of ${processText(pid)}: ${left}\n`;
  return failure === undefined
    ? `took away ${what}, of ${processText(pid)}\n`
    : `cannot take away ${what}, of ${processText(pid)}: ${failure}\n`;
}

function processText(pid: number): string {
  return pid === NO_PROCESS ? "a ttun of an earlier boot" : `process ${pid}`;
}
