import { utf8 } from "../../../base/bytes.ts";
import type { CoreRow, CoreState } from "../../../contract/mesh_disk.ts";

/** A core that nobody has written to. */
export function emptyCore(): CoreState {
  return { epoch: 1, revision: 0, rows: [], sessions: [], done: [], changes: [], floor: 0 };
}

/** Where everybody finds out which node the core is at. */
export const CORE_PLACE = "conf/core";

/**
 * Revisions that a restored core leaves out: of those after its backup nobody knows which were given
 * to clients, and none may be given twice.
 */
const RESTORE_GAP = 2 ** 32;

/** Makes the state from which a core starts that is brought back from a backup. */
export function restoredCore(state: CoreState, node: string): CoreState {
  const revision = state.revision + RESTORE_GAP;
  return placed({ ...state, revision, changes: [], floor: revision }, node);
}

/** Makes the state from which a core starts after it has moved to `node`, with a new epoch. */
export function movedCore(state: CoreState, node: string): CoreState {
  return placed(state, node);
}

function placed(state: CoreState, node: string): CoreState {
  const epoch = state.epoch + 1;
  const revision = state.revision + 1;
  const rows = state.rows.filter(({ key }) => key !== CORE_PLACE);
  const old = state.rows.find(({ key }) => key === CORE_PLACE);
  const row: CoreRow = {
    key: CORE_PLACE,
    value: utf8(JSON.stringify({ node, epoch })),
    rev: revision,
    created: old?.created ?? revision,
    session: "",
    ttlMs: 0,
  };
  rows.push(row);
  const changes = [...state.changes, { rev: revision, key: CORE_PLACE, row }];
  return { ...state, epoch, revision, rows, changes };
}

/** Reads `conf/core`; null if it is none. */
export function readCorePlace(value: Uint8Array): { node: string; epoch: number } | null {
  try {
    const { node, epoch } = JSON.parse(new TextDecoder().decode(value));
    return typeof node === "string" && Number.isSafeInteger(epoch) ? { node, epoch } : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
}
