import { TtunError } from "../../base/errors.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { allFolders } from "../status/folders.ts";
import { findLeftovers, type Leftover, repair, type Repaired } from "../../io/changes/repair.ts";
import { describeStep } from "../../io/changes/undo_step.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import type { DoctorFlags } from "./options.ts";

/**
 * Tells what killed processes have left on this machine, or takes it away. Returns the exit code.
 * @throws {TtunError} privilege, system
 */
export async function runDoctor(
  { repair: isRepair }: DoctorFlags,
  { signal }: RunContext,
): Promise<number> {
  if (Deno.build.os !== "linux") {
    throw new TtunError("system", "Cannot look for what is left here: ttun changes Linux alone");
  }
  using libc = openLibc();
  const leftovers = allFolders().flatMap((folder) => leftoversOf(libc, folder));
  if (leftovers.length === 0) {
    await print("No killed ttun has left anything here\n", signal);
    return 0;
  }
  if (!isRepair) {
    await print(leftovers.map(leftoverText).join(""), signal);
    throw new TtunError("system", "Killed ttuns have left this; run: sudo ttun doctor --repair");
  }
  const done = repair(leftovers, libc, { keepsOutliving: false });
  await print(done.map(repairedText).join(""), signal);
  const failures = done.filter(({ failure }) => failure !== undefined);
  if (failures.length === 0) return 0;
  throw new TtunError(
    "system",
    `Cannot take away all of it: ${failures[0]!.failure}; run: sudo ttun doctor --repair`,
  );
}

/** @throws {TtunError} privilege */
function leftoversOf(libc: Libc, folder: string): Leftover[] {
  try {
    return findLeftovers(libc, folder);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw new TtunError(
      "privilege",
      "Cannot see what killed ttuns have left here: root alone may; run ttun doctor with sudo",
      { cause },
    );
  }
}

function leftoverText({ pid, open }: Leftover): string {
  return open.map(({ step }) => `process ${pid} left ${describeStep(step)}\n`).join("");
}

function repairedText({ pid, what, failure }: Repaired): string {
  return failure === undefined
    ? `took away ${what}, of process ${pid}\n`
    : `cannot take away ${what}, of process ${pid}: ${failure}\n`;
}
