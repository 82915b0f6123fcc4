import type { ProcessIdentity } from "./process_identity.ts";
import type { UndoStep } from "./undo_step.ts";
import { validStep } from "./valid_step.ts";

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
  /** The number of lines that are not ttun's. */
  readonly strange: number;
}

/** Of another version of ttun, which may know other kinds, nothing is read. */
const VERSION = 1;

export function ownerLine(owner: ProcessIdentity): string {
  return lineOf({ version: VERSION, ...owner });
}

export function stepLine({ number, step, outlives }: OpenStep): string {
  return lineOf({ number, outlives, step });
}

export function undoneLine(number: number): string {
  return lineOf({ undone: number });
}

/** The break comes first: a line that a full disk has cut short spoils no other. */
function lineOf(value: unknown): string {
  return `\n${JSON.stringify(value)}`;
}

/**
 * Returns null for a file that has no owner, or another version's. A line may be cut short: its
 * change was not made.
 */
export function readJournal(text: string): JournalText | null {
  const lines = text.split("\n").map(parseLine).filter((line) => line !== null);
  const owner = lines.shift();
  if (owner === undefined || owner.version !== VERSION) return null;
  const { pid, start, boot, network } = owner;
  if (!isNumber(pid) || ![start, boot, network].every((one) => typeof one === "string")) {
    return null;
  }
  const open = new Map<number, OpenStep>();
  let strange = 0;
  for (const line of lines) {
    const made = openStep(line);
    if (made !== null) open.set(made.number, made);
    else if (isNumber(line.undone)) open.delete(line.undone);
    else strange++;
  }
  return {
    owner: { pid, start, boot, network } as ProcessIdentity,
    open: [...open.values()],
    strange,
  };
}

function openStep({ number, outlives, step }: Record<string, unknown>): OpenStep | null {
  const valid: UndoStep | null = validStep(step);
  if (!isNumber(number) || valid === null) return null;
  return { number, outlives: outlives === true, step: valid };
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseLine(line: string): Record<string, unknown> | null {
  if (!line.startsWith("{")) return null;
  try {
    return JSON.parse(line);
  } catch {
    return null; // cut short
  }
}
