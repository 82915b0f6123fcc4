import { TtunError } from "../../base/errors.ts";
import type { PortRange } from "../../base/port_range.ts";

/** One port, or FROM-TO. */
export const PORTS = "[0-9]{1,5}(?:-[0-9]{1,5})?";

/**
 * Reads a text that matches `PORTS`. `least`: the smallest number that is a port. `rule`: all of the
 * text, for errors. @throws {TtunError} usage
 */
export function parsePorts(ports: string, least: 0 | 1, rule: string): PortRange {
  const [first = NaN, last = first] = ports.split("-").map(Number);
  const refuse = (why: string) =>
    new TtunError("usage", `Cannot use ${JSON.stringify(rule)}: ${why}`);
  if (Math.min(first, last) < least || Math.max(first, last) > 65_535) {
    throw refuse(`a port is from ${least} to 65535`);
  }
  if (first > last) throw refuse(`write the smaller port first, as ${last}-${first}`);
  return { first, last };
}

export function formatPorts({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}

/** `range`: null = all ports. */
export function hasPort(range: PortRange | null, port: number): boolean {
  return range === null || (range.first <= port && port <= range.last);
}

/** Returns true if the range is this port and no other. */
export function isPort(range: PortRange | null, port: number): boolean {
  return range !== null && range.first === port && range.last === port;
}

/** Sorts ranges with fewer ports to the front; null = all ports. */
export function byWidth(one: PortRange | null, other: PortRange | null): number {
  return widthOf(one) - widthOf(other);
}

function widthOf(range: PortRange | null): number {
  return range === null ? 65_537 : range.last - range.first + 1;
}
