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
  for (const { body } of casesOf(xml)) {
    const outcome = outcomeOf(body);
    if (outcome !== null) tally[outcome]++;
  }
  return tally;
}

/** The tests and steps that failed: file, name, and the first line of the reason. */
export function failedIn(xml: string): string[] {
  return xml.split("<testsuite ").slice(1).flatMap((suite) => {
    const file = valueOf(suite, "name");
    const failed = casesOf(suite).filter(({ body }) => outcomeOf(body) === "failed");
    return failed.map(({ attributes, body }) => {
      const [, reason = ""] = /<(?:failure|error) message="([^"\n]*)/.exec(body) ?? [];
      return [file, valueOf(attributes, "name"), reason].map(plainText).join(": ");
    });
  });
}

function casesOf(xml: string): { attributes: string; body: string }[] {
  const found = xml.matchAll(/<testcase\s([^>]*?)(?:\/>|>([^]*?)<\/testcase>)/g);
  return [...found].map(([, attributes, body]) => ({ attributes: attributes!, body: body ?? "" }));
}

function valueOf(attributes: string, name: string): string {
  return new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
}

function plainText(xml: string): string {
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return xml.replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => entities[name]!);
}

function outcomeOf(body: string): keyof Tally | null {
  if (/<failure message="\d+ test steps? failed"/.test(body)) return null;
  if (/<(failure|error)\b/.test(body)) return "failed";
  return body.includes("<skipped") ? "skipped" : "passed";
}
