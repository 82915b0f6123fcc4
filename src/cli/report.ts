import { toTtunError, type TtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { printPlain } from "./output/log_writer.ts";

/** Prints why a command line is not usable. Returns the exit code, as all of these. */
export function refuse(error: TtunError, usage: string): number {
  printPlain(`ttun: ${error.message}`);
  printPlain(usage);
  return error.exitCode;
}

export function reportPlain(thrown: unknown): number {
  const error = toTtunError(thrown);
  printPlain(`ttun: ${error.message}`);
  return error.exitCode;
}

/** The stack is logged only for bugs and under -v. */
export function reportLogged(thrown: unknown, log: Logger): number {
  const error = toTtunError(thrown);
  log.error(error.message, { kind: error.kind });
  if (error.kind === "internal") {
    const origin = error.cause instanceof Error ? error.cause : error;
    log.debug("Where it failed", { stack: origin.stack });
  }
  return error.exitCode;
}
