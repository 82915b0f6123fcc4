import { constantTimeEqual } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Digest } from "../../contract/digest.ts";
import type { ReadableFile, SourceFile } from "../../contract/files.ts";
import type { MaybePromise, Stream } from "../../contract/stream.ts";
import { type Manifest, packManifest } from "../../core/transfer/manifest.ts";
import {
  DATA_HEADER,
  Failure,
  HASH_SIZE,
  outOfTurn,
  writeDataHeader,
} from "../../core/transfer/messages.ts";
import { shownName } from "../../core/transfer/names.ts";
import { PIECE, pieceCount, pieceSize } from "../../core/transfer/pieces.ts";
import { type Request, RequestReader } from "../../core/transfer/requests.ts";
import { read } from "../loop/stream_io.ts";
import type { MessageStream } from "./message_stream.ts";
import { refusePeer } from "./refuse_peer.ts";
import { CHUNK, type TransferTools, type Verdict } from "./transfer.ts";

export interface SendOptions extends TransferTools {
  readonly manifest: Manifest;
  /** Opens a file by its place in the manifest. @throws {TtunError} */
  readonly open: (index: number) => SourceFile;
  /** Gives the bytes of a stream. */
  readonly input?: Stream | undefined;
  /** Waits before so many bytes are sent. */
  readonly pace?: ((bytes: number) => MaybePromise<void>) | undefined;
  readonly signal: AbortSignal;
}

/**
 * Announces files, and sends those that the receiver asks for.
 * @throws {TtunError} what ended it; what the stream throws
 */
export async function sendFiles(o: SendOptions): Promise<Verdict> {
  try {
    return await send(o);
  } catch (error) {
    if (!o.signal.aborted) await refusePeer(error, o);
    throw error;
  }
}

async function send(o: SendOptions): Promise<Verdict> {
  const { messages } = o;
  for (const packed of packManifest(o.manifest)) {
    await messages.sendPacked(packed);
    messages.heedRefusal();
  }
  const answer = await messages.expect();
  if (answer.kind !== "accept") throw outOfTurn(answer);
  o.count.acceptedAt = o.clock.now();
  const requests = new RequestReader(o.manifest);
  const context = { o, messages, requests, buffer: new Uint8Array(DATA_HEADER + CHUNK) };
  while (!requests.isDone) {
    const request = requests.request(await messages.expect());
    if (request.kind === "want") await new Sending(context, request).run();
  }
  await messages.send({ kind: "done" });
  const verdict = await messages.expect();
  if (verdict.kind !== "verdict") throw outOfTurn(verdict);
  const { complete, missing } = verdict;
  if (complete + missing > o.manifest.files) throw outOfTurn(verdict);
  o.count.files = complete;
  await messages.closeWrite();
  return { complete, missing };
}

type Want = Request & { kind: "want" };

/** A file cannot be sent as it was announced. */
class Unsendable extends Error {
  readonly failure: number;

  constructor(failure: number) {
    super();
    this.failure = failure;
  }
}

interface Context {
  readonly o: SendOptions;
  readonly messages: MessageStream;
  readonly requests: RequestReader;
  /** Room for the header of data, and for the data. */
  readonly buffer: Uint8Array;
}

/** One file that was asked for. */
class Sending {
  readonly #o: SendOptions;
  readonly #messages: MessageStream;
  readonly #requests: RequestReader;
  readonly #buffer: Uint8Array;
  readonly #want: Want;
  readonly #whole: Digest;
  /** Bytes of the file that `whole` has. */
  #hashed = 0;

  constructor({ o, messages, requests, buffer }: Context, want: Want) {
    this.#o = o;
    this.#messages = messages;
    this.#requests = requests;
    this.#buffer = buffer;
    this.#want = want;
    this.#whole = o.sha256();
  }

  async run(): Promise<void> {
    const { manifest, input, tell } = this.#o;
    const { index } = this.#want;
    const { kind, name } = manifest.entries[index]!;
    if (kind === "stream") return await this.#sendStream(input!);
    try {
      using file = this.#open();
      await this.#sendFile(file);
    } catch (error) {
      if (!(error instanceof Unsendable)) throw error;
      if (error.failure === Failure.changed) {
        tell(`${shownName(name)} has changed since it was announced: it is not sent`);
      }
      await this.#dropHashes();
      await this.#messages.send({ kind: "failed", index, failure: error.failure });
    }
  }

  #open(): SourceFile {
    try {
      return this.#o.open(this.#want.index);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): unknown {
    if (!(error instanceof TtunError) || error.kind === "internal") return error;
    this.#o.tell(error.message);
    return new Unsendable(Failure.unreadable);
  }

  async #sendFile(file: SourceFile): Promise<void> {
    const { index, compares } = this.#want;
    const { size } = this.#o.manifest.entries[index]!;
    if (!file.isUnchanged() || this.#goesOn(file, size)) throw new Unsendable(Failure.changed);
    const first = await this.#firstDifference(file, size);
    this.#o.count.bytes += Math.min(first * PIECE, size);
    await this.#messages.send({ kind: "begin", index, piece: first });
    if (compares) return;
    for (let piece = first; piece < pieceCount(size); piece++) {
      await this.#sendPiece(file, piece * PIECE, pieceSize(piece, size));
    }
    if (!file.isUnchanged()) throw new Unsendable(Failure.changed);
    await this.#messages.send({ kind: "end", hash: this.#whole.digest() });
  }

  /** Files of the kernel's (/proc) have bytes where their size says that there are none. */
  #goesOn(file: ReadableFile, size: number): boolean {
    try {
      return file.read(size, this.#room(1)) > 0;
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  /** Compares the pieces that the receiver has. */
  async #firstDifference(file: ReadableFile, size: number): Promise<number> {
    const { pieces } = this.#want;
    let isSame = true;
    let first = 0;
    while (this.#requests.hashesLeft > 0) {
      const hashes = this.#requests.hashes(await this.#messages.expect()).slice();
      for (let at = 0; isSame && at < hashes.length; at += HASH_SIZE) {
        const hash = await this.#hashOf(file, first * PIECE, pieceSize(first, size));
        isSame = constantTimeEqual(hash, hashes.subarray(at, at + HASH_SIZE));
        if (isSame) first++;
      }
    }
    return isSame ? pieces : first;
  }

  async #hashOf(file: ReadableFile, from: number, length: number): Promise<Uint8Array> {
    const digest = this.#o.sha256();
    for (let at = 0; at < length; at += CHUNK) {
      const bytes = this.#room(Math.min(CHUNK, length - at));
      this.#read(file, from + at, bytes);
      digest.update(bytes);
      this.#hash(from + at, bytes);
      await this.#o.clock.turn();
      this.#o.signal.throwIfAborted();
    }
    return digest.digest();
  }

  async #sendPiece(file: ReadableFile, from: number, length: number): Promise<void> {
    const digest = this.#o.sha256();
    for (let at = 0; at < length; at += CHUNK) {
      const size = Math.min(CHUNK, length - at);
      await this.#o.pace?.(size);
      this.#read(file, from + at, this.#room(size));
      await this.#sendData(size, digest, from + at);
    }
    await this.#messages.send({ kind: "piece", hash: digest.digest() });
  }

  /** Returns room for so much data, behind that for its header. */
  #room(size: number): Uint8Array {
    return this.#buffer.subarray(DATA_HEADER, DATA_HEADER + size);
  }

  /** Sends what lies in `room`. */
  async #sendData(size: number, digest: Digest, at: number): Promise<void> {
    const bytes = this.#room(size);
    digest.update(bytes);
    this.#hash(at, bytes);
    writeDataHeader(this.#buffer, size);
    await this.#messages.sendPacked(this.#buffer.subarray(0, DATA_HEADER + size));
    this.#o.count.bytes += size;
    this.#messages.heedRefusal();
  }

  /** Reads all of it, as it was announced. */
  #read(file: ReadableFile, at: number, into: Uint8Array): void {
    let got: number;
    try {
      got = file.read(at, into);
    } catch (error) {
      throw this.#unreadable(error);
    }
    if (got < into.length) throw new Unsendable(Failure.changed);
  }

  /** Bytes of the piece that differs come twice. */
  #hash(at: number, bytes: Uint8Array): void {
    if (at < this.#hashed) return;
    this.#whole.update(bytes);
    this.#hashed = at + bytes.length;
  }

  async #dropHashes(): Promise<void> {
    while (this.#requests.hashesLeft > 0) this.#requests.hashes(await this.#messages.expect());
  }

  async #sendStream(input: Stream): Promise<void> {
    const { index } = this.#want;
    await this.#messages.send({ kind: "begin", index, piece: 0 });
    let digest: Digest | null = null;
    for (let at = 0;;) {
      const room = Math.min(CHUNK, PIECE - at % PIECE);
      const got = await read(input, this.#room(room));
      if (got === null) break;
      await this.#o.pace?.(got);
      digest ??= this.#o.sha256();
      await this.#sendData(got, digest, at);
      at += got;
      if (at % PIECE !== 0) continue;
      await this.#messages.send({ kind: "piece", hash: digest.digest() });
      digest = null;
    }
    if (digest !== null) await this.#messages.send({ kind: "piece", hash: digest.digest() });
    await this.#messages.send({ kind: "end", hash: this.#whole.digest() });
  }
}
