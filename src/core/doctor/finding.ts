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

/** Lines for a person: what was found, and below it what mends it. */
export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings.map(({ check, level, says, mend }) => {
    const line = `${MARK[level]}  ${check.padEnd(width)}  ${says}\n`;
    return mend === undefined ? line : `${line}${" ".repeat(width + 8)}→ ${mend}\n`;
  }).join("");
}

/** Returns 1 if a check has failed; a warning is none. */
export function exitCodeOf(findings: readonly Finding[]): number {
  return findings.some(({ level }) => level === "fail") ? 1 : 0;
}
