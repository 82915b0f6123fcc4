import type { HostPort } from "../../base/addr.ts";
import type { StatusFlags } from "./options.ts";

/** Where a program serves its metrics, and what it says of itself; it crosses to the Worker. */
export interface MetricsPlace {
  readonly at: HostPort;
  /** The words of the command. */
  readonly command: string;
}

/** Returns null if there are to be none. */
export function metricsPlace(
  command: string,
  { metrics }: Pick<StatusFlags, "metrics">,
): MetricsPlace | null {
  return metrics === undefined ? null : { at: metrics, command };
}
