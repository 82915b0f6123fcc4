import type { Measure } from "../../mesh/http/node_metrics.ts";
import type { Known } from "./certificate_store.ts";

export interface CertificateReport {
  readonly name: string;
  /** Null = there is none yet. */
  readonly ends: string | null;
  /** Why there is none, or no new one; null = nothing has failed. */
  readonly failure: string | null;
}

/** Tells of the certificates that are known, by name, for the status. */
export function certificateReports(known: ReadonlyMap<string, Known>): CertificateReport[] {
  return [...known].map(([name, { record: { kept, attempt } }]) => ({
    name,
    ends: kept === null ? null : new Date(kept.notAfter).toISOString(),
    failure: attempt?.words ?? null,
  }));
}

/** Returns the numbers of those certificates, for the node's metrics. */
export function certificateMeasures(known: ReadonlyMap<string, Known>): Measure[] {
  const records = [...known].map(([name, { record }]) => ({ name, ...record }));
  const byName = (values: readonly (readonly [string, number])[]) => {
    return { label: "name", values: Object.fromEntries(values) };
  };
  const ends = records.flatMap(({ name, kept }) =>
    kept === null ? [] : [[name, Math.floor(kept.notAfter / 1000)] as const]
  );
  const failures = records.map(({ name, attempt }) =>
    [name, attempt === null || attempt.words === null ? 0 : attempt.count] as const
  );
  return [
    {
      name: "certificate_end_seconds",
      help: "End of a public authority's certificate, in seconds since 1970",
      type: "gauge",
      value: byName(ends),
    },
    {
      name: "certificate_failures",
      help: "Orders of a certificate in a row that have failed",
      type: "gauge",
      value: byName(failures),
    },
  ];
}
