/** Contenders of `deno task bench:peer`: ways to carry bytes from one host to another. */
import type { Host } from "../../netns.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import type { Ends } from "./ends.ts";

/** The hosts' addresses, by number. */
export const ADDRESSES = ["198.51.100.1", "198.51.100.2"] as const;

export interface Work {
  /** The host with the first address receives, and waits; the other one sends, and is started last. */
  readonly receiver: Host;
  readonly sender: Host;
  /** A file with the bytes. */
  readonly input: string;
  /** A file, or null where what comes is thrown away; what carries files writes them in any case. */
  readonly output: string | null;
  /** A new folder of this run, in memory. */
  readonly folder: string;
}

export interface Contender {
  readonly name: string;
  /** Contenders are compared with those of their kind: bytes of a pipe, or whole files. */
  readonly kind: "pipe" | "file";
  /** Another program, which ttun is measured by. */
  readonly isRival: boolean;
  /**
   * Finds or makes what all its runs need: the program, certificates.
   * @throws {MissingProgram}
   */
  prepare(files: TemporaryFiles): Promise<(work: Work) => Promise<Ends>>;
}

export interface ReadyContender extends Pick<Contender, "name" | "kind" | "isRival"> {
  readonly start: (work: Work) => Promise<Ends>;
}
