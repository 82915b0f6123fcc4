const LONGEST_MS = 60_000;

/** Asks again and again until it is so. @throws after a minute */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + LONGEST_MS; Date.now() < end;) {
    if (await isSo()) return;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  throw new Error(`Within a minute it did not come about that ${what}`);
}
