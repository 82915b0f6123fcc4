import type { ProcessIdentity } from "./process_identity.ts";
import type { UndoStep } from "./undo_step.ts";

/** A change that has not been undone, or may not have been made yet. */
export interface OpenStep {
  readonly number: number;
  readonly step: UndoStep;
  /** It stays in force when its process is killed or fails, until it is taken down on purpose. */
  readonly outlives: boolean;
}

export interface JournalText {
  readonly owner: ProcessIdentity;
  /** In the order in which they were made. */
  readonly open: readonly OpenStep[];
}

/** Of another version of ttun, which may know other kinds, nothing is read. */
const VERSION = 1;

export function ownerLine(owner: ProcessIdentity): string {
  return `${JSON.stringify({ version: VERSION, ...owner })}\n`;
}

export function stepLine({ number, step, outlives }: OpenStep): string {
  return `${JSON.stringify({ number, outlives, step })}\n`;
}

export function undoneLine(number: number): string {
  return `${JSON.stringify({ undone: number })}\n`;
}

/**
 * Returns null for a file that has no owner, or another version's. The last line may be cut short:
 * its change was not made.
 */
export function readJournal(text: string): JournalText | null {
  const lines = text.split("\n").map(parseLine).filter((line) => line !== null);
  const owner = lines.shift();
  if (owner === undefined || owner.version !== VERSION) return null;
  const { pid, start, boot, network } = owner;
  if (typeof pid !== "number" || ![start, boot, network].every((one) => typeof one === "string")) {
    return null;
  }
  const open = new Map<number, OpenStep>();
  for (const { number, undone, outlives, step } of lines) {
    if (typeof undone === "number") open.delete(undone);
    if (typeof number !== "number" || typeof step !== "object" || step === null) continue;
    open.set(number, { number, outlives: outlives === true, step: step as UndoStep });
  }
  return {
    owner: { pid, start, boot, network } as ProcessIdentity,
    open: [...open.values()],
  };
}

function parseLine(line: string): Record<string, unknown> | null {
  if (!line.startsWith("{")) return null;
  try {
    return JSON.parse(line);
  } catch {
    return null; // cut short
  }
}
