import { type Logger, type LogRecord, makeLogger } from "../../src/base/log.ts";
import type { Clock } from "../../src/contract/host.ts";

/** A logger that keeps its lines. */
export function keptLog(clock: Clock): { log: Logger; records: LogRecord[] } {
  const records: LogRecord[] = [];
  return { log: makeLogger((record) => records.push(record), () => clock.now()), records };
}
