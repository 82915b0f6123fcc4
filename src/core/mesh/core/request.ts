import type { MeshReason } from "../../../contract/mesh_store.ts";
import type { CoreRow } from "../../../contract/mesh_disk.ts";

/** The revision that a condition names for a key that must not be there. */
export const ABSENT = 0;

/** A request to the core: of this process, or of another node in a frame of type 30. */
export type CoreRequest =
  | { type: "get"; key: string }
  | {
    type: "put";
    key: string;
    value: Uint8Array;
    /** The revision that the key must have, or ABSENT. */
    if?: number;
    ttlMs?: number;
    session?: string;
    requestId?: string;
  }
  | { type: "delete"; key: string; if?: number; requestId?: string }
  | { type: "list"; prefix: string; after?: string; limit: number }
  /** Answered when there are changes after `from`, or after a while without. */
  | { type: "changes"; prefix: string; from: number }
  /** The id is made by the client, from chance: repeated, it is the same session. */
  | { type: "grant"; session: string; ttlMs: number }
  | { type: "renew"; session: string }
  | { type: "end"; session: string }
  | { type: "info" };

export interface CoreEntry {
  key: string;
  value: Uint8Array;
  rev: number;
  /** The session that has it, or "". */
  session: string;
  /** Milliseconds until it vanishes, or 0 where it stays. */
  expiresInMs: number;
}

export type CoreAnswer =
  | { type: "entry"; entry: CoreEntry | null }
  | { type: "written"; rev: number }
  | { type: "unmet"; current: CoreEntry | null }
  | { type: "page"; entries: CoreEntry[]; more: boolean; cursor: number }
  | {
    type: "changes";
    changes: { rev: number; key: string; entry: CoreEntry | null }[];
    cursor: number;
  }
  | { type: "reset"; cursor: number }
  | { type: "done" }
  | { type: "info"; epoch: number; revision: number; keys: number; bytes: number; sessions: number }
  | { type: "error"; reason: MeshReason; outcome: "none" | "unknown"; message: string };

/** Makes of a row what a core tells of it. */
export function entryOf(row: CoreRow, expiresInMs: number): CoreEntry {
  const { key, value, rev, session } = row;
  return { key, value, rev, session, expiresInMs };
}
