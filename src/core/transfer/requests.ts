import { HASH_SIZE, type Message, outOfTurn } from "./messages.ts";
import type { Manifest } from "./manifest.ts";
import { pieceCount } from "./pieces.ts";

/** A file that the receiver asks for, or does not take. */
export type Request =
  | { readonly kind: "skip"; readonly index: number }
  | {
    readonly kind: "want";
    readonly index: number;
    /** Pieces that are there, whose hashes follow. */
    readonly pieces: number;
    /** No data is wanted: the file must be there as it is. */
    readonly compares: boolean;
  };

/** Judges the receiver's requests: each file once, in the order of the announcement. */
export class RequestReader {
  readonly #manifest: Manifest;
  #next = 0;
  /** Hashes that are still to come. */
  #hashes = 0;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    this.#passFolders();
  }

  /** All files were asked for, or are not taken. */
  get isDone(): boolean {
    return this.#next === this.#manifest.entries.length && this.#hashes === 0;
  }

  /** Hashes of the last request that are still to come. */
  get hashesLeft(): number {
    return this.#hashes;
  }

  /** @throws {ProtocolError} out of turn */
  request(message: Message): Request {
    if (message.kind !== "want" && message.kind !== "skip" || this.#hashes > 0 || this.isDone) {
      throw outOfTurn(message);
    }
    const { index } = message;
    if (index !== this.#next) throw outOfTurn(message);
    this.#next++;
    this.#passFolders();
    if (message.kind === "skip") return message;
    const { size, kind } = this.#manifest.entries[index]!;
    const { pieces, compares } = message;
    const isStream = kind === "stream";
    if (pieces > pieceCount(size) || isStream && compares) throw outOfTurn(message);
    if (compares && pieces < pieceCount(size)) throw outOfTurn(message);
    this.#hashes = pieces;
    return message;
  }

  /** Returns the hashes of a message, which is a view. @throws {ProtocolError} out of turn */
  hashes(message: Message): Uint8Array {
    if (message.kind !== "hashes") throw outOfTurn(message);
    const count = message.hashes.length / HASH_SIZE;
    if (count > this.#hashes) throw outOfTurn(message);
    this.#hashes -= count;
    return message.hashes;
  }

  #passFolders(): void {
    const { entries } = this.#manifest;
    while (entries[this.#next]?.kind === "folder") this.#next++;
  }
}
