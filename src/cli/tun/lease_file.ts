import { type Cidr, formatIp } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import { MOST_LEASE_BYTES, readLeases, writeLeases } from "../../core/ip/leases.ts";
import {
  mayKeepState,
  NO_STATE_PERMISSION,
  readState,
  writeState,
} from "../platform/state_file.ts";

export class LeaseFile {
  readonly #directory: string | null;
  readonly #file: string;
  readonly #log: Logger;
  #problem: string | null = null;

  /** Each pool has its own file, named after its first network. */
  constructor(directory: string | null, pool: readonly Cidr[], log: Logger) {
    const { bytes, prefix } = pool[0]!;
    this.#directory = directory;
    this.#file = `leases-${formatIp(bytes).replaceAll(":", "-")}-${prefix}`;
    this.#log = log;
  }

  /** Returns leases, the oldest first, or none if unreadable. Logs the number of invalid lines. */
  read(): Lease[] {
    if (this.#directory === null || !mayKeepState(this.#directory)) return [];
    const text = readState(this.#directory, this.#file, MOST_LEASE_BYTES);
    const leases = readLeases(text);
    const lines = text.split("\n").filter((line) => /^\s*[^\s#]/.test(line)).length;
    if (lines > leases.length) {
      this.#log.warn(
        "some of the clients' addresses from before cannot be read: these clients may get others",
        { file: `${this.#directory}/${this.#file}`, lines: lines - leases.length },
      );
    }
    return leases;
  }

  /** Logs each reason for a failure once. */
  write(leases: readonly Lease[]): void {
    const problem = this.#write(leases);
    if (problem !== null && problem !== this.#problem) {
      this.#log.warn("cannot keep the clients' addresses for after a restart", { why: problem });
    }
    this.#problem = problem;
  }

  #write(leases: readonly Lease[]): string | null {
    if (this.#directory === null) return "there is no HOME and no STATE_DIRECTORY";
    if (!mayKeepState(this.#directory)) return NO_STATE_PERMISSION;
    return writeState(this.#directory, this.#file, writeLeases(leases));
  }
}
