import type { Fault } from "./faults.ts";

/** Returns as few of the faults as suffice for the failure, each removed in turn. */
export function shrink(
  faults: readonly Fault[],
  fails: (faults: readonly Fault[]) => boolean,
  mostRuns = 200,
): readonly Fault[] {
  let kept = faults;
  let runs = 0;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length && runs < mostRuns;) {
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)];
      runs++;
      if (fails(fewer)) kept = fewer;
      else at += size;
    }
  }
  return kept;
}

/** Shows faults as lines, for the trace of a failing seed. */
export function showFaults(faults: readonly Fault[]): string {
  return faults.map((fault) => `  ${JSON.stringify(fault)}`).join("\n");
}
