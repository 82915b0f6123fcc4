import { TtunError } from "../../base/errors.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** Reads bytes per second, as 500k, 4M or 1.5G. @throws {TtunError} usage */
export function parseByteRate(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)([kmg]?)$/i.exec(text);
  const rate = match === null ? 0 : Math.floor(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
  if (rate >= 1) return rate;
  throw new TtunError(
    "usage",
    `Cannot use ${JSON.stringify(text)}: write bytes per second, as 500k or 4M`,
  );
}
