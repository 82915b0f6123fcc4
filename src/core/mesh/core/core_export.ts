import { blake2s } from "@noble/hashes/blake2.js";
import { toHex, utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { CoreChange, CoreRow, CoreState } from "../../../contract/mesh_disk.ts";
import { decode64, encode64 } from "../base64.ts";

/**
 * A core as text: one JSON object in each line. The first has the epoch and the revision, the last
 * the number of lines between and a checksum of all before it.
 */
const FORMAT = 1;

interface Line {
  "ttun core"?: number;
  epoch?: number;
  revision?: number;
  key?: string;
  value?: string;
  rev?: number;
  created?: number;
  /** The key of a change; without a value it was deleted. */
  changed?: string;
  floor?: number;
  session?: string;
  ttlMs?: number;
  request?: string;
  end?: number;
  sum?: string;
}

/** `withChanges`: for a core that goes on elsewhere, with the watches that its clients have. */
export function exportCore(state: CoreState, { withChanges = false } = {}): Uint8Array {
  const { epoch, revision, floor } = state;
  const lines: Line[] = [
    { "ttun core": FORMAT, epoch, revision, ...withChanges ? { floor } : {} },
    ...state.rows.map((row) => ({ key: row.key, ...rowLine(row) })),
    ...withChanges ? state.changes.map(changeLine) : [],
    ...state.sessions.map(({ id, ttlMs }) => ({ session: id, ttlMs })),
    ...state.done.map(({ id, rev }) => ({ request: id, rev })),
  ];
  const hash = blake2s.create();
  const parts: Uint8Array[] = [];
  const add = (line: Line) => {
    const bytes = utf8(`${JSON.stringify(line)}\n`);
    hash.update(bytes);
    parts.push(bytes);
  };
  for (const line of lines) add(line);
  const sum = toHex(hash.digest());
  parts.push(utf8(`${JSON.stringify({ end: lines.length - 1, sum })}\n`));
  return joined(parts);
}

/** @throws {TtunError} usage, if it is none, or cut or changed */
export function parseCoreExport(bytes: Uint8Array): CoreState {
  if (bytes.at(-1) !== 0x0a) throw refused("it is not whole, or no export of a core");
  const lastAt = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
  const lines = new TextDecoder().decode(bytes.subarray(0, lastAt)).split("\n");
  lines.pop();
  const head = parseLine(lines.shift() ?? "");
  const tail = parseLine(new TextDecoder().decode(bytes.subarray(lastAt)));
  if (head["ttun core"] === undefined) throw refused("it is no export of a core");
  if (head["ttun core"] !== FORMAT) throw refused("it was made by a newer version of ttun");
  if (tail.end !== lines.length || tail.sum !== toHex(blake2s(bytes.subarray(0, lastAt)))) {
    throw refused("it is not whole, or was changed");
  }
  const state: CoreState = {
    epoch: whole(head.epoch),
    revision: whole(head.revision),
    rows: [],
    sessions: [],
    done: [],
    changes: [],
    floor: whole(head.floor ?? head.revision),
  };
  for (const text of lines) {
    const line = parseLine(text);
    if (line.key !== undefined) state.rows.push(readRow(line.key, line));
    else if (line.changed !== undefined) state.changes.push(readChange(line.changed, line));
    else if (line.session !== undefined) {
      state.sessions.push({ id: line.session, ttlMs: whole(line.ttlMs) });
    } else if (line.request !== undefined) {
      state.done.push({ id: line.request, rev: whole(line.rev) });
    }
  }
  return state;
}

function rowLine({ value, rev, created, session, ttlMs }: CoreRow): Line {
  return {
    value: encode64(value),
    rev,
    created,
    ...session === "" ? {} : { session },
    ...ttlMs === 0 ? {} : { ttlMs },
  };
}

function changeLine({ rev, key, row }: CoreChange): Line {
  return { changed: key, ...row === null ? { rev } : rowLine(row) };
}

function readChange(key: string, line: Line): CoreChange {
  const row = line.value === undefined ? null : readRow(key, line);
  return { rev: whole(line.rev), key, row };
}

function readRow(
  key: string,
  { value, rev, created, session = "", ttlMs = 0 }: Line,
): CoreRow {
  return {
    key,
    value: decode64(value ?? ""),
    rev: whole(rev),
    created: whole(created),
    session,
    ttlMs: whole(ttlMs),
  };
}

function parseLine(text: string): Line {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line === "object" && line !== null) return line as Line;
  } catch {
    // No JSON: refused below.
  }
  throw refused("it is not whole, or no export of a core");
}

function whole(value: number | undefined): number {
  if (Number.isSafeInteger(value) && value! >= 0) return value!;
  throw refused("it has a number that is none");
}

function refused(reason: string): TtunError {
  return new TtunError("usage", `Cannot read the export of a core: ${reason}`);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
