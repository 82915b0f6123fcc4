/** Returns the Levenshtein distance. */
export function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1));
    }
    above = row;
  }
  return above[b.length]!;
}

/** Accepts a third of `word` mistyped, but always one character, or a beginning, in any case. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  // Limits the cost, the product of both lengths; no mistyped name is longer.
  if (word === "" || word.length > 40) return undefined;
  const typed = word.toLowerCase();
  const scored = candidates
    .map((candidate) => ({ candidate, distance: editDistance(typed, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  const best = scored.find(({ candidate, distance }) =>
    distance <= Math.max(1, Math.floor(candidate.length / 3)) && distance < candidate.length
  );
  const begun = candidates.find((candidate) => word.length > 1 && candidate.startsWith(typed));
  return best?.candidate ?? begun;
}
