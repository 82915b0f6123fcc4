import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
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
import { leftoverFinding, runRepair } from "./leftovers.ts";
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
