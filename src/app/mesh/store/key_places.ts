import type { RecordClass } from "../../../core/mesh/record.ts";

/** First parts of the keys that are on the ring; all others are the core's. */
const ON_RING: Readonly<Record<string, RecordClass>> = {
  route: "soft",
  node: "soft",
  agent: "soft",
  kv: "durable",
};

/** The class of the records of a key or prefix on the ring, or null where it is the core's. */
export function recordClassOf(key: string): RecordClass | null {
  const end = key.indexOf("/");
  const first = end < 0 ? key : key.slice(0, end);
  return Object.hasOwn(ON_RING, first) ? ON_RING[first]! : null;
}
