import type { Libc } from "../../../ffi/linux/libc.ts";
import { SIGTERM } from "../../../ffi/linux/signal.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { startOf } from "../../io/changes/process_identity.ts";
import type { Secrets } from "../background/handover.ts";
import { loginsSecrets } from "../gateway/logins_variable.ts";
import { acmeOfVariable } from "../mesh/acme_account.ts";
import { accessOfVariable } from "../gateway/take_access.ts";
import { passphraseOfVariable } from "../mesh/passphrase.ts";
import { programArgv } from "../platform/own_argv.ts";
import { reap, startProgram } from "../background/parent.ts";
import { readVariable } from "../platform/variables.ts";
import { authSecretOf } from "../proxy/auth.ts";
import { keySecrets } from "../secrets/key_source.ts";
import { oneLine } from "../secrets/text_bytes.ts";
import { toxSecretsOfVariables } from "../tox/secret.ts";
import { makeLogFolder } from "./log_folder.ts";
import type { Plan, PlannedRun } from "./plan.ts";

/**
 * Starts a run in the background, and waits until it is ready or has ended.
 * @throws {TtunError} usage, privilege, system, exhausted, lost
 */
export async function startRun(
  libc: Libc,
  { config }: Plan,
  { entry, args, logFolder }: PlannedRun,
  { foreground, signal }: { foreground: boolean; signal: AbortSignal },
) {
  if (!foreground && logFolder !== null) makeLogFolder(logFolder);
  const logged = foreground ? withoutLogFile(args) : args;
  const line = [
    ...entry.command.split(" "),
    "--config",
    config,
    "--config-entry",
    String(entry.number),
    "--daemon",
    ...logged,
  ];
  const argv = [...programArgv(libc), ...line.map((word) => utf8(word))];
  return await startProgram(libc, {
    argv,
    secrets: secretsFor(entry.command),
    keepsOutput: foreground,
  }, signal);
}

function withoutLogFile(args: readonly string[]): readonly string[] {
  const at = args.indexOf("--log-file");
  return at < 0 ? args : args.toSpliced(at, 2);
}

/** Hands over those of the environment, which processes do not inherit. */
function secretsFor(command: string): Secrets {
  if (command === "mesh node") {
    return { ...passphraseOfVariable(readVariable), ...acmeOfVariable(readVariable) };
  }
  if (command === "mesh listen") return accessOfVariable(readVariable);
  if (command === "mesh publish") return loginsSecrets();
  if (command === "tox") return toxSecretsOfVariables(readVariable);
  const key = readVariable("TTUN_KEY_FILE") === undefined ? readVariable("TTUN_KEY") : undefined;
  const auth = command === "proxy client" ? readVariable("TTUN_PROXY_AUTH") : undefined;
  return {
    ...(key !== undefined && keySecrets({ key: oneLine(utf8(key)), source: "TTUN_KEY" })),
    ...(auth !== undefined && authSecretOf(utf8(auth))),
  };
}

/** Tells the process from a later one of its number. @throws {TtunError} system */
export function beginOf(libc: Libc, pid: number): string {
  const start = startOf(libc, pid);
  if (start !== null) return start;
  if (reap(libc, pid) === null) libc.kill(pid, SIGTERM); // else the number may be another's by now
  throw new TtunError(
    "system",
    `Cannot keep track of process ${pid}: it has ended, or /proc does not show it (hidepid)`,
  );
}
