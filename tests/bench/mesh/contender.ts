import type { Host } from "../../netns.ts";
import type { TunnelEnd } from "../contender.ts";
import type { Load } from "./load.ts";

/** Requests that are measured. A soft one promises less than a durable one, or a strong one. */
export const OPERATIONS = [
  "soft get",
  "soft put",
  "durable get",
  "durable put",
  "strong get",
  "strong put",
] as const;

export type Operation = typeof OPERATIONS[number];

/** A store as it runs: where it takes requests, and the processes that it is made of. */
export interface RunningStore {
  readonly ends: readonly TunnelEnd[];
  readonly at: Pick<Load, "protocol" | "hostname" | "port" | "token">;
}

export interface StoreContender {
  readonly name: string;
  /** The operations that it has, with what each promises. */
  readonly promises: Readonly<Partial<Record<Operation, string>>>;
  /** Starts it on a host with files in a folder; its processes end with the host. */
  start(host: Host, folder: string): Promise<RunningStore>;
}
