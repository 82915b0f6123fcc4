import type { Libc } from "../../../ffi/linux/libc.ts";
import { listJournals } from "./journal_folder.ts";
import { isDead, ownNetwork } from "./process_identity.ts";
import type { UndoStep } from "./undo_step.ts";

export type SysctlStep = Extract<UndoStep, { kind: "sysctl" }>;

/**
 * Returns the settings that another running ttun has changed in this network and will put back; each
 * list is of one process. @throws Deno.errors.PermissionDenied if they cannot be seen
 */
export function sysctlsOfOthers(libc: Libc, folder: string): SysctlStep[][] {
  const network = ownNetwork(libc);
  return listJournals(folder)
    .flatMap(({ text }) => text ?? [])
    .filter(({ owner }) =>
      owner.pid !== Deno.pid && owner.network === network && !isDead(libc, owner)
    )
    .map(({ open }) => open.map(({ step }) => step).filter((step) => step.kind === "sysctl"))
    .filter((steps) => steps.length > 0);
}

/** Returns true if another running ttun, of whatever network, has a step of that kind. */
export function isHeldByOther(libc: Libc, folder: string, kind: UndoStep["kind"]): boolean {
  return listJournals(folder).flatMap(({ text }) => text ?? []).some(({ owner, open }) =>
    owner.pid !== Deno.pid && !isDead(libc, owner) && open.some(({ step }) => step.kind === kind)
  );
}
