import type { Clock } from "../../contract/host.ts";
import type { MakeDigest } from "../../contract/digest.ts";
import type { Stream } from "../../contract/stream.ts";
import type { MessageStream } from "./message_stream.ts";

/** How far a transfer is; it changes meanwhile. */
export interface TransferCount {
  /** Bytes that the receiver has, those that were there before among them. */
  bytes: number;
  /** Files that are complete at the receiver. */
  files: number;
  /** When the receiver agreed, in milliseconds of the clock; null = it has not. */
  acceptedAt: number | null;
}

export function newCount(): TransferCount {
  return { bytes: 0, files: 0, acceptedAt: null };
}

/** Things that both ends of a transfer need. */
export interface TransferTools {
  /** Stays the caller's, as does `messages` on it. */
  readonly stream: Stream;
  readonly messages: MessageStream;
  readonly sha256: MakeDigest;
  readonly clock: Clock;
  readonly count: TransferCount;
  /** Has words for a file that does not arrive. */
  readonly tell: (words: string) => void;
}

/** Files that are at the receiver now, and files that are not. */
export interface Verdict {
  readonly complete: number;
  readonly missing: number;
}

/** Bytes that are read, hashed and written at once: other work has its turn between two. */
export const CHUNK = 60 * 1024;
