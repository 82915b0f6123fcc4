import type { CoreState } from "../../../contract/mesh_disk.ts";

/** A core that nobody has written to. */
export function emptyCore(): CoreState {
  return { epoch: 1, revision: 0, rows: [], sessions: [], done: [] };
}
