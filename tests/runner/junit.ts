/** Results of a run of tests, counted. */
export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Counts the tests and steps of the JUnit report of a `deno test`. A test that failed only because
 * a step of it did is not counted: the step is.
 */
export function readJunit(xml: string): Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
  for (const [, body] of xml.matchAll(/<testcase\s[^>]*?(?:\/>|>([^]*?)<\/testcase>)/g)) {
    const outcome = outcomeOf(body ?? "");
    if (outcome !== null) tally[outcome]++;
  }
  return tally;
}

function outcomeOf(body: string): keyof Tally | null {
  if (/<failure message="\d+ test steps? failed"/.test(body)) return null;
  if (/<(failure|error)\b/.test(body)) return "failed";
  return body.includes("<skipped") ? "skipped" : "passed";
}
