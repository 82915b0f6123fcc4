/** Returns a time as fields have it (RFC 9110 section 5.6.7). `seconds`: since 1970. */
export function formatHttpDate(seconds: number): string {
  return new Date(seconds * 1000).toUTCString();
}

const DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun";
const MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec";
const FIXED = new RegExp(
  `^(?:${DAYS}), \\d{2} (?:${MONTHS}) \\d{4} \\d{2}:\\d{2}:\\d{2} GMT$`,
);

/**
 * Returns seconds since 1970; null = it is no date in the form that is written today. Those of RFC 850
 * and asctime are taken for none, which makes a condition count as not there.
 */
export function parseHttpDate(text: string): number | null {
  const time = FIXED.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? null : time / 1000;
}
