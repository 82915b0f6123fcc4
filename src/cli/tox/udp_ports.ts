import { TtunError } from "../../base/errors.ts";
import type { PortRange } from "../../base/port_range.ts";

/** Reads `PORT`, `FIRST:LAST` or `FIRST-LAST`. @throws {TtunError} usage */
export function readUdpPorts(text: string): PortRange {
  const [, from, to = from] = /^(\d{1,5})(?:[:-](\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (first >= 1 && first <= last && last <= 65_535) return { first, last };
  throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: write PORT or FIRST:LAST`);
}
