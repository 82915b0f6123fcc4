import { TtunError } from "../../base/errors.ts";
import type { PortRange } from "../../base/port_range.ts";

/** The existing programs' range (docs/wire/tt-v1.md, 1.2), so that neither end need be told. */
export const DEFAULT_PORT_RANGE: PortRange = { first: 1024, last: 65_535 };

/** Reads `A-B`, 1 <= A <= B <= 65535; A and B may be one port. @throws {TtunError} usage */
export function parsePortRange(text: string): PortRange {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  if (match === null) throw badRange(text, "write two ports, as 1024-65535");
  const [first, last] = [Number(match[1]), Number(match[2])];
  if (Math.min(first, last) < 1 || Math.max(first, last) > 65_535) {
    throw badRange(text, "ports are numbers from 1 to 65535");
  }
  if (first > last) throw badRange(text, `write the smaller port first, as ${last}-${first}`);
  return { first, last };
}

function badRange(text: string, advice: string): TtunError {
  return new TtunError("usage", `Cannot read port range ${JSON.stringify(text)}: ${advice}`);
}

export function formatPortRange(range: PortRange): string {
  return `${range.first}-${range.last}`;
}

/** Follows the existing programs: the last port is never used, except in a range of one. */
export function portOf(otp: number, { first, last }: PortRange): number {
  return first === last ? first : first + otp % (last - first);
}
