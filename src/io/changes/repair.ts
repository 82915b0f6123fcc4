import type { Libc } from "../../../ffi/linux/libc.ts";
import { appendLine, listJournals } from "./journal_folder.ts";
import { type OpenStep, undoneLine } from "./journal_text.ts";
import { bootId, exists, isDead, ownNetwork } from "./process_identity.ts";
import { isThere } from "../files/present.ts";
import { keptPath, keptText, readTextFile, RESOLV_CONF } from "../netcfg/resolv_conf_file.ts";
import { isWrittenByTtun } from "../netcfg/written_resolv_conf.ts";
import { isHeldByOther } from "./others.ts";
import { undoStep } from "./undo.ts";
import { describeStep, isHarmless, isOfAnyNetwork, outlivesBoot } from "./undo_step.ts";

/** Stands for a process that nothing is known of. */
export const NO_PROCESS = 0;

/** Changes that a dead process has left on this machine, in this network namespace. */
export interface Leftover {
  readonly pid: number;
  readonly path: string;
  /** Device and inode of the file, which is this user's own; null = nothing is to be written to it. */
  readonly id: string | null;
  readonly open: readonly OpenStep[];
  /** The number of lines of its file that are not ttun's, and are not undone. */
  readonly strange: number;
}

/** The result of one change; `failure` says why it could not be undone, `left` why it was not to be. */
export interface Repaired {
  readonly pid: number;
  /** Words, as "the routes of table 29812". */
  readonly what: string;
  readonly failure?: string;
  readonly left?: string;
}

/** Removes files of which nothing is left. @throws Deno.errors.PermissionDenied for other users */
export function findLeftovers(libc: Libc, folder: string): Leftover[] {
  const found: Leftover[] = [];
  const journals = listJournals(folder);
  const network = ownNetwork(libc);
  const here = journals.filter(({ text }) =>
    text !== null && (text.owner.network === network ||
      (text.open.length > 0 && text.open.every(({ step }) => isOfAnyNetwork(step))))
  );
  const living = new Set(
    here.filter(({ text }) => !isDead(libc, text!.owner)).flatMap(({ text }) =>
      text!.open.map(({ step }) => JSON.stringify(step))
    ),
  );
  for (const { path, isEmpty } of journals) {
    if (isEmpty && !exists(libc, pidOf(path))) removeQuietly(path);
  }
  for (const { path, text, isForeign, id } of here) {
    const { owner, open } = text!;
    if (!isDead(libc, owner)) continue;
    const isOfThisBoot = owner.boot === bootId(libc);
    // Whatever a living process has made by the same name is not this one's any more.
    const rest = open.filter(({ step }) =>
      (isOfThisBoot || outlivesBoot(step)) && !living.has(JSON.stringify(step)) &&
      (!isForeign || isHarmless(step))
    );
    const strange = isOfThisBoot ? text!.strange : 0;
    if (rest.length === 0 && strange === 0) removeQuietly(path);
    else found.push({ pid: owner.pid, path, id: isForeign ? null : id, open: rest, strange });
  }
  return found;
}

/**
 * Returns the name servers that a ttun has left which was killed before the machine booted: the
 * journals are gone, and the file is still there. `folders` have the journals of all others.
 */
export function staleNameServers(libc: Libc, folders: readonly string[]): Leftover[] {
  const path = RESOLV_CONF;
  const isHeld = folders.some((folder) => isHeldByOther(libc, folder, "resolvConf"));
  const text = isThere(keptPath(path)) && !isHeld ? readTextFile(path) : null;
  if (text === null || !isWrittenByTtun(text)) return [];
  const step = { kind: "resolvConf", path } as const;
  return [{
    pid: NO_PROCESS,
    path: "",
    id: null,
    open: [{ number: 0, step, outlives: false }],
    strange: 0,
  }];
}

/** The file's name begins with the number of its process. */
function pidOf(path: string): number {
  return Number.parseInt(path.slice(path.lastIndexOf("/") + 1));
}

/**
 * Undoes what dead processes have left, the last change first, and returns what there was. With
 * `keepsOutliving`, what is to outlive its process (a kill switch) stays.
 */
export function repair(
  leftovers: readonly Leftover[],
  libc: Libc,
  { keepsOutliving }: { keepsOutliving: boolean },
): Repaired[] {
  const done: Repaired[] = [];
  for (const { pid, path, id, open, strange } of leftovers) {
    let isWhole = strange === 0 || !keepsOutliving;
    for (const { number, step, outlives } of open.toReversed()) {
      if (keepsOutliving && outlives) {
        isWhole = false;
        continue;
      }
      const what = describeStep(step);
      try {
        const folder = path.slice(0, path.lastIndexOf("/"));
        const isUndone = undoStep(step, libc, folder);
        const left = isUndone || step.kind !== "resolvConf" ? null : keptText(step.path);
        if (isUndone) done.push({ pid, what });
        else if (left !== null) done.push({ pid, what, left });
        if (id !== null) appendLine({ path, id }, undoneLine(number));
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        isWhole = false;
        done.push({ pid, what, failure: error.message });
      }
    }
    if (isWhole) removeQuietly(path);
  }
  return done;
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    const { NotFound, PermissionDenied } = Deno.errors;
    if (!(error instanceof NotFound || error instanceof PermissionDenied)) throw error;
  }
}
