/** Result of one check. `skip`: it could not be made here. */
export type Level = "ok" | "warn" | "fail" | "skip";

export interface Finding {
  /** Name of the check, one word or two with a dash. */
  readonly check: string;
  readonly level: Level;
  /** A sentence that says what was found. */
  readonly says: string;
  /** The sentence or command that mends it; absent where nothing needs to be. */
  readonly mend?: string;
}

const MARK: Record<Level, string> = { ok: "ok  ", warn: "warn", fail: "FAIL", skip: "skip" };

/** Columns of a check's name; the longest has two less. */
const NAME_WIDTH = 14;

/** Lines for a person: what was found, and below it what mends it. */
export function findingText({ check, level, says, mend }: Finding): string {
  const line = `${MARK[level]}  ${check.padEnd(NAME_WIDTH)}${says}\n`;
  return mend === undefined ? line : `${line}${" ".repeat(NAME_WIDTH + 6)}→ ${mend}\n`;
}

/** Returns 1 if a check has failed; a warning is none. */
export function exitCodeOf(findings: readonly Finding[]): number {
  return findings.some(({ level }) => level === "fail") ? 1 : 0;
}
