import { TtunError } from "../../base/errors.ts";
import type { Finding } from "../../core/doctor/finding.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import {
  findLeftovers,
  type Leftover,
  NO_PROCESS,
  repair,
  type Repaired,
  staleNameServers,
} from "../../io/changes/repair.ts";
import { describeStep } from "../../io/changes/undo_step.ts";
import { print } from "../output/stdout.ts";
import { allFolders } from "../status/folders.ts";

/** Takes away what killed processes have left. @throws {TtunError} privilege, system */
export async function runRepair(signal: AbortSignal): Promise<number> {
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

/** Tells what killed processes have left. */
export function leftoverFinding(libc: Libc): Finding {
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
