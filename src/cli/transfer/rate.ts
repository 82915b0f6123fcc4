import { TtunError } from "../../base/errors.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** Reads bytes per second, such as `500k`, `2M` or `1.5MB`. @throws {TtunError} usage */
export function parseRate(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([kmg]?)b?(?:\/s)?$/i.exec(text.trim()) ?? [];
  const rate = Math.floor(Number(number) * UNITS[unit.toLowerCase()]!);
  if (rate >= 1) return rate;
  throw new TtunError(
    "usage",
    `Cannot use ${JSON.stringify(text)}: write bytes per second, as 500k or 2M`,
  );
}
