import type { RateFound } from "../proxy/found.ts";

/** Output of commands.ts. */
export interface CommandsFound extends RateFound {
  /** Of the processes that connected. */
  readonly cpuSeconds: number;
}
