import { concat } from "../../../base/bytes.ts";
import { toLatin1 } from "../../../base/latin1.ts";
import { HeadCollector, type HeadLimits, REQUEST_LIMITS } from "./head.ts";

/** Text as tests like to write it: every line end is made CRLF. */
export function crlf(text: string): string {
  return text.replaceAll("\n", "\r\n");
}

/** The head that is all of `text`, as the collector has it. */
export function headText(text: string, limits: HeadLimits = REQUEST_LIMITS): string {
  const collector = new HeadCollector(limits);
  collector.take(toLatin1(text));
  return collector.text();
}

/** An array that is overwritten as soon as it is given back, as a driver's buffer is. */
export function lend<T>(bytes: Uint8Array, use: (lent: Uint8Array) => T): T {
  const lent = concat(bytes);
  const result = use(lent);
  lent.fill(0xee);
  return result;
}
