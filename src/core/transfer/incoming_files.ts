import { constantTimeEqual } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import type { Digest, MakeDigest } from "../../contract/digest.ts";
import type { Entry } from "./entry.ts";
import { type Message, outOfTurn } from "./messages.ts";
import { PIECE, pieceCount, pieceSize } from "./pieces.ts";

/** A file that was asked for. */
export interface Wanted {
  readonly index: number;
  readonly entry: Entry;
  /** Pieces whose hashes were sent. */
  readonly pieces: number;
  readonly compares: boolean;
}

/** A message of the sender's, as the receiver needs it. */
export type Step =
  /** The first `piece` pieces are as those that are there. */
  | { readonly kind: "begin"; readonly wanted: Wanted; readonly piece: number }
  /** Bytes for the place `at`. */
  | { readonly kind: "data"; readonly at: number; readonly bytes: Uint8Array }
  /** All that came since the last one is as the sender has it. */
  | { readonly kind: "piece" }
  /** SHA-256 of the whole file at the sender. */
  | { readonly kind: "end"; readonly wanted: Wanted; readonly hash: Uint8Array }
  /** A comparison has ended. */
  | { readonly kind: "compared"; readonly wanted: Wanted; readonly isSame: boolean }
  /** The sender cannot go on with the file. */
  | { readonly kind: "failed"; readonly wanted: Wanted; readonly failure: number }
  | { readonly kind: "done" };

/**
 * Judges what the sender sends of the files that were asked for: in the order of the requests,
 * no byte more than announced, each piece by its hash.
 */
export class IncomingFiles {
  readonly #sha256: MakeDigest;
  readonly #wanted: Wanted[] = [];
  #file: Wanted | null = null;
  /** Bytes of the file that are there. */
  #at = 0;
  /** Of the piece that comes; null = it has no bytes yet. */
  #piece: Digest | null = null;
  #areAllWanted = false;

  constructor(sha256: MakeDigest) {
    this.#sha256 = sha256;
  }

  /** To be called before the request is sent. */
  want(wanted: Wanted): void {
    this.#wanted.push(wanted);
  }

  /** Nothing more will be asked for. */
  wantNoMore(): void {
    this.#areAllWanted = true;
  }

  /** Files that were asked for, and are not here yet. */
  get outstanding(): number {
    return this.#wanted.length + (this.#file === null ? 0 : 1);
  }

  /** @throws {ProtocolError} where the message comes out of turn, or a piece is not by its hash */
  take(message: Message): Step {
    switch (message.kind) {
      case "begin":
        return this.#begin(message);
      case "data":
        return this.#data(message);
      case "piece":
        return this.#endPiece(message);
      case "end":
        return this.#end(message);
      case "failed":
        return this.#fail(message);
      case "done":
        if (this.outstanding > 0 || !this.#areAllWanted) throw outOfTurn(message);
        return { kind: "done" };
      default:
        throw outOfTurn(message);
    }
  }

  #begin(message: Message & { kind: "begin" }): Step {
    const wanted = this.#wanted[0];
    if (this.#file !== null || wanted === undefined) throw outOfTurn(message);
    const { index, piece } = message;
    if (index !== wanted.index || piece > wanted.pieces) throw outOfTurn(message);
    this.#wanted.shift();
    if (wanted.compares) {
      return { kind: "compared", wanted, isSame: piece === pieceCount(wanted.entry.size) };
    }
    this.#file = wanted;
    this.#at = Math.min(piece * PIECE, wanted.entry.size);
    this.#piece = null;
    return { kind: "begin", wanted, piece };
  }

  #data(message: Message & { kind: "data" }): Step {
    if (this.#file === null || this.#piece === null && this.#isCut) throw outOfTurn(message);
    const { bytes } = message;
    const inPiece = this.#pieceEnd - this.#at;
    if (bytes.length > inPiece) throw new ProtocolError("Cannot go on: more bytes than announced");
    this.#piece ??= this.#sha256();
    this.#piece.update(bytes);
    const at = this.#at;
    this.#at += bytes.length;
    return { kind: "data", at, bytes };
  }

  /** A piece that was not whole has ended: it was the last one. */
  get #isCut(): boolean {
    return this.#at % PIECE !== 0;
  }

  /** The place behind the piece that comes, or that has come and waits for its hash. */
  get #pieceEnd(): number {
    const { kind, size } = this.#file!.entry;
    const begun = this.#piece === null ? this.#at : Math.max(0, this.#at - 1);
    const piece = Math.floor(begun / PIECE);
    const length = kind === "stream" ? PIECE : Math.max(0, pieceSize(piece, size));
    return piece * PIECE + length;
  }

  #endPiece(message: Message & { kind: "piece" }): Step {
    const file = this.#file;
    if (file === null || this.#piece === null) throw outOfTurn(message);
    const isWhole = this.#at === this.#pieceEnd;
    if (!isWhole && file.entry.kind !== "stream") throw outOfTurn(message);
    const hash = this.#piece.digest();
    this.#piece = null;
    if (!constantTimeEqual(hash, message.hash)) {
      throw new ProtocolError("Cannot go on: a piece of a file is not what the sender has read");
    }
    return { kind: "piece" };
  }

  #end(message: Message & { kind: "end" }): Step {
    const wanted = this.#file;
    if (wanted === null || this.#piece !== null) throw outOfTurn(message);
    const { kind, size } = wanted.entry;
    if (kind !== "stream" && this.#at < size) throw outOfTurn(message);
    this.#file = null;
    return { kind: "end", wanted, hash: message.hash };
  }

  #fail(message: Message & { kind: "failed" }): Step {
    const wanted = this.#file ?? this.#wanted[0];
    if (wanted === undefined || message.index !== wanted.index) throw outOfTurn(message);
    if (this.#file === null) this.#wanted.shift();
    this.#file = null;
    this.#piece = null;
    return { kind: "failed", wanted, failure: message.failure };
  }
}
