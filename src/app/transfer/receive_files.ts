import { constantTimeEqual } from "../../base/bytes.ts";
import { type ErrorKind, toTtunError, TtunError } from "../../base/errors.ts";
import { abortable, onAbort } from "../../base/scope.ts";
import type { Digest } from "../../contract/digest.ts";
import type { PartFile, ReadableFile, TargetFolder } from "../../contract/files.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Entry } from "../../core/transfer/entry.ts";
import { IncomingFiles, type Step, type Wanted } from "../../core/transfer/incoming_files.ts";
import { type Manifest, ManifestReader } from "../../core/transfer/manifest.ts";
import { Failure, HASH_SIZE, LONGEST_BODY } from "../../core/transfer/messages.ts";
import { parentOf, shownName, topOf } from "../../core/transfer/names.ts";
import { PIECE, pieceCount, pieceSize, piecesThere } from "../../core/transfer/pieces.ts";
import { write } from "../loop/stream_io.ts";
import type { MessageStream } from "./message_stream.ts";
import { REFUSAL_MS, refusePeer } from "./refuse_peer.ts";
import { CHUNK, type TransferTools, type Verdict } from "./transfer.ts";

/** Files that are asked for before the first of them is here: each is open. */
const MOST_OUTSTANDING = 128;

/** Complete files that may wait for the disk meanwhile. */
const MOST_COMMITTING = 16;

/** Names that are looked at before other work gets its turn. */
const LOOKS_A_TURN = 200;

/** Failures of one file, beside which others go on. */
const OF_ONE_FILE: readonly ErrorKind[] = ["usage", "privilege", "in_use", "system"];

/** The receiver's answer to an announcement. */
export interface Agreement {
  readonly isAccepted: boolean;
  /** Names at the top that are not taken. */
  readonly declined: ReadonlySet<string>;
}

interface ToFolder {
  readonly folder: TargetFolder;
  /** Files that have other content are replaced. */
  readonly overwrites: boolean;
}

/** Where files go: a folder, or another program. */
export type Target = ToFolder | { readonly output: Stream };

export interface ReceiveOptions extends TransferTools {
  readonly target: Target;
  /** Asks the user; `signal` aborts when the sender has left. */
  readonly agree: (manifest: Manifest, signal: AbortSignal) => Promise<Agreement>;
  readonly signal: AbortSignal;
}

/**
 * Takes files that are announced, if the user agrees.
 * @throws {TtunError} what ended it; what the stream throws
 */
export async function receiveFiles(o: ReceiveOptions): Promise<Verdict> {
  const { messages } = o;
  try {
    const reader = new ManifestReader();
    let manifest: Manifest | null = null;
    while (manifest === null) manifest = reader.take(await messages.expect());
    const declined = await agreed(manifest, o);
    await messages.send({ kind: "accept" });
    o.count.acceptedAt = o.clock.now();
    return await new Receiving(o, messages, manifest, declined).run();
  } catch (error) {
    if (!o.signal.aborted) await refusePeer(error, o);
    throw error;
  }
}

/** @throws {TtunError} where nothing is taken */
async function agreed(manifest: Manifest, o: ReceiveOptions): Promise<ReadonlySet<string>> {
  const { target, agree, clock, messages, signal } = o;
  if ("output" in target && manifest.entries.length > 1) {
    throw new TtunError("usage", "Cannot write more than one file to standard output");
  }
  if ("folder" in target) {
    const { folder } = target;
    const free = folder.freeBytes();
    let used = 0;
    let needed = 0;
    let looked = 0;
    for (const entry of manifest.entries) {
      if (entry.kind !== "file") continue;
      const { more, less } = roomOf(entry, target);
      needed = Math.max(needed, used += more);
      used -= less;
      if (++looked % LOOKS_A_TURN !== 0) continue;
      await clock.turn();
      signal.throwIfAborted();
    }
    if (needed > free) {
      throw new TtunError(
        "exhausted",
        `Cannot take ${needed} bytes: the disk has room for ${free}`,
      );
    }
  }
  const asking = new AbortController();
  using _stop = onAbort(signal, (reason) => asking.abort(reason));
  using _sender = messages.onGone((error) => asking.abort(error));
  const answer = agree(manifest, asking.signal);
  const { isAccepted, declined } = await abortable(answer, asking.signal);
  if (!isAccepted) throw new TtunError("partial", "Nothing was received: it was not wanted");
  return declined;
}

/** Bytes that a file needs until it is complete, and those that what it replaces gives back then. */
function roomOf({ name, size }: Entry, { folder, overwrites }: ToFolder) {
  try {
    const found = folder.look(name);
    if (found !== null && !(overwrites && found.kind === "file")) return { more: 0, less: 0 };
    const more = Math.max(0, size - folder.partSize(name));
    return { more, less: found?.size ?? 0 };
  } catch (error) {
    if (OF_ONE_FILE.includes(toTtunError(error).kind)) return { more: 0, less: 0 }; // told later on
    throw error;
  }
}

/** A file that was asked for, with what it is compared to and written to. */
interface Open extends Wanted {
  /** Null = it is compared alone, or goes to standard output. */
  readonly part: PartFile | null;
  /** Has the pieces that are there; it may be the part itself. */
  readonly base: ReadableFile | null;
}

class Receiving {
  readonly #o: ReceiveOptions;
  readonly #messages: MessageStream;
  readonly #manifest: Manifest;
  readonly #declined: ReadonlySet<string>;
  readonly #incoming: IncomingFiles;
  /** Files that were asked for. */
  readonly #open = new Map<number, Open>();
  /** Folders in which nothing can be written. */
  readonly #closed = new Set<string>();
  #missing = 0;
  /** The file that comes, and its digest so far. */
  #file: Open | null = null;
  #whole: Digest | null = null;
  /** Complete files that wait for the disk; these never reject. */
  readonly #committing = new Set<Promise<void>>();
  /** A failure of one of them that ends all. */
  #fatal: { readonly error: unknown } | null = null;
  /** Wakes who waits for fewer files outstanding. */
  #onFewer: (() => void) | null = null;
  readonly #hashed = new Uint8Array(CHUNK);
  readonly #copied = new Uint8Array(CHUNK);

  constructor(
    o: ReceiveOptions,
    messages: MessageStream,
    manifest: Manifest,
    declined: ReadonlySet<string>,
  ) {
    this.#o = o;
    this.#messages = messages;
    this.#manifest = manifest;
    this.#declined = declined;
    this.#incoming = new IncomingFiles(o.sha256);
  }

  async run(): Promise<Verdict> {
    const { signal, target, count } = this.#o;
    const cut = new AbortController();
    using _registration = onAbort(signal, (reason) => cut.abort(reason));
    const requesting = this.#request(cut.signal).catch((error) => cut.abort(error));
    try {
      await this.#receive(cut.signal);
      await this.#committed(0);
    } finally {
      cut.abort(new TtunError("lost", "The transfer is over"));
      await this.#drainUntil(requesting);
      await Promise.all(this.#committing);
      for (const open of this.#open.values()) close(open);
      if (this.#file !== null) close(this.#file);
    }
    if ("folder" in target) {
      this.#finishFolders(target.folder);
    } else await target.output.closeWrite();
    const verdict = { complete: count.files, missing: this.#missing };
    await this.#messages.send({ kind: "verdict", ...verdict });
    await this.#messages.closeWrite();
    await this.#messages.ended();
    return verdict;
  }

  async #receive(signal: AbortSignal): Promise<void> {
    for (;;) {
      const step = this.#incoming.take(await abortable(this.#messages.expect(), signal));
      if (step.kind === "done") return;
      await this.#take(step);
    }
  }

  /** A request is written to its end: the sender, which may wait for its own bytes, must go on. */
  async #drainUntil(requesting: Promise<void>): Promise<void> {
    const { clock, stream } = this.#o;
    using _timer = clock.after(REFUSAL_MS, () => stream.reset());
    let isOver = false;
    const over = requesting.then(() => {
      isOver = true;
      return false;
    });
    try {
      await clock.turn();
      while (!isOver && await Promise.race([over, this.#messages.discard()]));
    } catch (error) {
      if (!(error instanceof TtunError)) throw error; // the connection is gone: requests end as well
    }
    await over;
  }

  // Requests: files that are there are looked at, and the rest is asked for.

  async #request(signal: AbortSignal): Promise<void> {
    const { clock } = this.#o;
    const { entries } = this.#manifest;
    let looked = 0;
    for (const [index, entry] of entries.entries()) {
      if (++looked % LOOKS_A_TURN === 0) await clock.turn();
      signal.throwIfAborted();
      if (this.#isLeftOut(entry)) {
        if (entry.kind !== "folder") await this.#skip(index);
        continue;
      }
      try {
        if (entry.kind === "folder") this.#makeFolder(entry);
        else await this.#ask(index, entry, signal);
      } catch (error) {
        this.#tell(error);
        if (entry.kind === "folder") this.#closed.add(entry.name);
        else await this.#skip(index);
      }
    }
    this.#incoming.wantNoMore();
  }

  #isLeftOut({ kind, name }: Entry): boolean {
    if (this.#declined.has(topOf(name))) return true;
    if (!this.#closed.has(parentOf(name))) return false;
    if (kind === "folder") this.#closed.add(name);
    return true;
  }

  /** @throws what is no failure of one file */
  #tell(thrown: unknown): void {
    const error = toTtunError(thrown);
    if (!OF_ONE_FILE.includes(error.kind)) throw thrown;
    this.#o.tell(error.message);
  }

  async #skip(index: number): Promise<void> {
    this.#missing++;
    await this.#messages.send({ kind: "skip", index });
  }

  #makeFolder({ name, mode }: Entry): void {
    const { target } = this.#o;
    if ("folder" in target) target.folder.makeFolder(name, mode);
  }

  async #ask(index: number, entry: Entry, signal: AbortSignal): Promise<void> {
    while (this.#incoming.outstanding >= MOST_OUTSTANDING) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#onFewer = resolve;
      await abortable(promise, signal);
    }
    const open = this.#openFile(index, entry);
    this.#open.set(index, open);
    const { pieces, compares, base } = open;
    let hashes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
    if (base !== null && pieces > 0) {
      try {
        hashes = await this.#hashesOf(base, entry.size, pieces, signal);
      } catch (error) {
        this.#forget(open);
        throw error;
      }
    }
    this.#incoming.want(open);
    await this.#messages.send({ kind: "want", index, pieces, compares });
    for (let at = 0; at < hashes.length; at += LONGEST_BODY) {
      await this.#messages.send({
        kind: "hashes",
        hashes: hashes.subarray(at, at + LONGEST_BODY),
      });
    }
  }

  #openFile(index: number, entry: Entry): Open {
    const { target } = this.#o;
    const nothing = { index, entry, pieces: 0, compares: false, part: null, base: null };
    if ("output" in target) return nothing;
    const { folder, overwrites } = target;
    const { name, size, kind } = entry;
    const found = folder.look(name);
    if (found !== null && (found.kind !== "file" || kind === "stream" && !overwrites)) {
      throw new TtunError(
        "usage",
        `Cannot write ${shownName(name)}: something has its name already`,
      );
    }
    if (found !== null && !overwrites) {
      if (found.size !== size) {
        throw new TtunError(
          "usage",
          `Cannot write ${shownName(name)}: another file of that name is there (--overwrite)`,
        );
      }
      const base = folder.open(name);
      return { ...nothing, base, pieces: pieceCount(size), compares: true };
    }
    const part = folder.openPart(name);
    if (kind === "stream") return { ...nothing, part };
    if (part.size > 0 || found === null) {
      return { ...nothing, part, base: part, pieces: piecesThere(part.size, size) };
    }
    return { ...nothing, part, base: folder.open(name), pieces: piecesThere(found.size, size) };
  }

  async #hashesOf(
    file: ReadableFile,
    size: number,
    pieces: number,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { sha256, clock } = this.#o;
    const hashes = new Uint8Array(pieces * HASH_SIZE);
    for (let piece = 0; piece < pieces; piece++) {
      const digest = sha256();
      const length = pieceSize(piece, size);
      for (let at = 0; at < length; at += CHUNK) {
        const bytes = this.#hashed.subarray(0, Math.min(CHUNK, length - at));
        digest.update(bytes.subarray(0, file.read(piece * PIECE + at, bytes)));
        await clock.turn();
        signal.throwIfAborted();
      }
      hashes.set(digest.digest(), piece * HASH_SIZE);
    }
    return hashes;
  }

  // Data: it is written as it comes.

  async #take(step: Exclude<Step, { kind: "done" }>): Promise<void> {
    switch (step.kind) {
      case "begin":
        return await this.#begin(step.wanted.index, step.piece);
      case "data":
        return await this.#write(step.at, step.bytes);
      case "end":
        return await this.#end(step.hash);
      case "compared":
        return this.#compared(step.wanted.index, step.isSame);
      case "failed":
        return this.#failed(step.wanted, step.failure);
      case "piece":
        return;
      default:
        step satisfies never;
    }
  }

  async #begin(index: number, piece: number): Promise<void> {
    const open = this.#open.get(index)!;
    this.#open.delete(index);
    this.#file = open;
    this.#whole = this.#o.sha256();
    const there = Math.min(piece * PIECE, open.entry.size);
    try {
      await this.#takeOver(open, there);
    } catch (error) {
      this.#o.signal.throwIfAborted();
      this.#giveUp(error);
    }
    this.#o.count.bytes += there;
  }

  /** Takes the first bytes of what was there, which the sender has in common. */
  async #takeOver({ part, base }: Open, there: number): Promise<void> {
    const { clock, signal } = this.#o;
    if (base !== null) {
      for (let at = 0; at < there; at += CHUNK) {
        const room = this.#copied.subarray(0, Math.min(CHUNK, there - at));
        const bytes = room.subarray(0, base.read(at, room));
        this.#whole!.update(bytes);
        if (base !== part) part!.write(at, bytes);
        await clock.turn();
        signal.throwIfAborted();
      }
    }
    part?.truncate(there);
  }

  async #write(at: number, bytes: Uint8Array): Promise<void> {
    const { target, count } = this.#o;
    count.bytes += bytes.length;
    if (this.#file === null) return; // it was given up: the rest is thrown away
    this.#whole!.update(bytes);
    if ("output" in target) return await write(target.output, bytes);
    try {
      this.#file.part!.write(at, bytes);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  /** The file that comes cannot be written. @throws what is no failure of one file */
  #giveUp(error: unknown): void {
    const file = this.#file!;
    this.#tell(error);
    this.#missing++;
    this.#file = null;
    close(file);
  }

  async #end(hash: Uint8Array): Promise<void> {
    const file = this.#file;
    this.#fewer();
    if (file === null) return;
    const { part, entry } = file;
    if (!constantTimeEqual(this.#whole!.digest(), hash)) {
      part?.discard();
      const words = `Cannot write ${shownName(entry.name)}: it was changed meanwhile`;
      return this.#giveUp(new TtunError("system", words));
    }
    this.#file = null;
    const committing = this.#commit(file).finally(() => this.#committing.delete(committing));
    this.#committing.add(committing);
    await this.#committed(MOST_COMMITTING - 1);
  }

  /** Never rejects. */
  async #commit(open: Open): Promise<void> {
    const { part, entry } = open;
    const { target, count } = this.#o;
    try {
      await part?.commit(entry, "folder" in target && target.overwrites);
      count.files++;
    } catch (error) {
      this.#missing++;
      try {
        this.#tell(error);
      } catch (thrown) {
        this.#fatal ??= { error: thrown };
      }
    } finally {
      close(open);
    }
  }

  /** Waits until no more than so many files wait for the disk. @throws what has ended all */
  async #committed(most: number): Promise<void> {
    while (this.#committing.size > most) await Promise.race(this.#committing);
    if (this.#fatal !== null) throw this.#fatal.error;
  }

  #compared(index: number, isSame: boolean): void {
    const open = this.#open.get(index)!;
    const { name, size } = open.entry;
    this.#forget(open);
    this.#fewer();
    if (isSame) {
      this.#o.count.files++;
      this.#o.count.bytes += size;
      return;
    }
    this.#missing++;
    this.#o.tell(
      `Cannot write ${shownName(name)}: another file of that name is there (--overwrite)`,
    );
  }

  #failed({ index, entry }: Wanted, failure: number): void {
    const open = this.#open.get(index) ?? this.#file;
    this.#file = null;
    this.#fewer();
    if (open === null) return; // it was given up before
    if (failure === Failure.changed) open.part?.discard(); // else another run can go on with it
    this.#forget(open);
    this.#missing++;
    const why = failure === Failure.changed ? "it has changed meanwhile" : "it cannot be read";
    this.#o.tell(`The sender does not send ${shownName(entry.name)}: ${why}`);
  }

  #forget(open: Open): void {
    this.#open.delete(open.index);
    close(open);
  }

  #fewer(): void {
    const run = this.#onFewer;
    this.#onFewer = null;
    run?.();
  }

  #finishFolders(folder: TargetFolder): void {
    for (let i = this.#manifest.entries.length - 1; i >= 0; i--) {
      const entry = this.#manifest.entries[i]!;
      if (entry.kind !== "folder" || this.#closed.has(entry.name)) continue;
      if (this.#declined.has(topOf(entry.name))) continue;
      try {
        folder.finishFolder(entry.name, entry);
      } catch (error) {
        this.#tell(error);
      }
    }
  }
}

/** Nobody can go on with a stream, so that nothing of it stays. */
function close({ entry, part, base }: Open): void {
  if (entry.kind === "stream") part?.discard();
  part?.[Symbol.dispose]();
  if (base !== part) base?.[Symbol.dispose]();
}
