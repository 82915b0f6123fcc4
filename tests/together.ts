import { test, textOf } from "./check.ts";

/** Adds a case. */
type Add = (name: string, run: () => Promise<void>) => void;

/**
 * Registers one test, in which all cases that are added to it run at the same time: for those that
 * mostly wait, three or four of them, as each has processes of its own.
 */
export function together(name: string): Add {
  const cases: { readonly name: string; readonly run: () => Promise<void> }[] = [];
  test(name, async () => {
    const results = await Promise.allSettled(cases.map(({ run }) => run()));
    const failures = results.flatMap((result, i) =>
      result.status === "rejected" ? [`${cases[i]!.name}: ${textOf(result.reason)}`] : []
    );
    if (failures.length > 0) throw new Error(failures.join("\n\n"));
  });
  return (name, run) => void cases.push({ name, run });
}
