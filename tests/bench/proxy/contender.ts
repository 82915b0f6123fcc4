/** A contender of `deno task bench:proxy`: a way to a target that can be measured. */
import type { CipherName } from "../../../src/contract/cipher.ts";
import type { Host, Process } from "../../netns.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";

/** A running proxy, both ends on one host. */
export interface Pair {
  /** Where its client takes SOCKS5 on 127.0.0.1; null = the load needs none. */
  socksPort: number | null;
  /** Where its client forwards to the target; absent without SOCKS: the load goes straight there. */
  forwardPort?: number;
  /** Connects its standard input and output with the target: the load is by processes of it alone. */
  command?: readonly [program: string, ...args: string[]];
  /** The two ends, or the one there is, or none. Each is the program itself or its parent. */
  client: Process | null;
  server: Process | null;
}

/** Starts a pair and waits until both ends listen. What it started ends with the host, or before. */
export type StartPair = (host: Host) => Promise<Pair>;

export interface Contender {
  readonly name: string;
  /** Null where nothing is encrypted. */
  readonly cipher: CipherName | null;
  /**
   * Finds or makes what all its pairs need: the program, keys.
   * @throws {MissingProgram}
   */
  prepare(files: TemporaryFiles): Promise<StartPair>;
}

/** A contender that is ready to start. */
export interface ReadyContender extends Omit<Contender, "prepare"> {
  readonly start: StartPair;
}
