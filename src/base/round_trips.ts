/** Returns the line that ends a measurement of round trips, of at least one, in milliseconds. */
export function formatRoundTrips(times: readonly number[]): string {
  const sum = times.reduce((all, ms) => all + ms, 0);
  const facts = [Math.min(...times), sum / times.length, Math.max(...times)];
  return `${times.length} answered, min/avg/max ${facts.map((ms) => ms.toFixed(2)).join("/")} ms`;
}
