import { concat } from "../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import { Reader } from "../../base/varint.ts";
import { type Entry, packEntry, readEntry } from "./entry.ts";
import { LONGEST_BODY, type Message, packMessage } from "./messages.ts";
import { blindName, nameFault, parentOf, shownName, topOf } from "./names.ts";

/** Files and folders of a transfer. */
export const MOST_ENTRIES = 1_000_000;

/** UTF-16 units of all names together. */
export const MOST_NAMES = 128 * 1024 * 1024;

/** All that is to be sent, a folder before what is in it. */
export interface Manifest {
  readonly entries: readonly Entry[];
  /** Bytes of all files; 0 of a stream. */
  readonly bytes: number;
  readonly files: number;
}

/**
 * Judges entries one after the other, at both ends: a sender is told before it connects, and a
 * receiver takes no memory beyond the limits.
 */
export class ManifestBuilder {
  readonly #entries: Entry[] = [];
  readonly #blind = new Set<string>();
  readonly #folders = new Set<string>();
  #bytes = 0;
  #files = 0;
  #units = 0;
  #hasStream = false;

  get length(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @throws {TtunError} usage, where the entry cannot be part of a transfer */
  add(entry: Entry): void {
    const { kind, name, size } = entry;
    const refuse = (why: string) =>
      new TtunError("usage", `Cannot take the file ${shownName(name)}: ${why}`);
    const fault = nameFault(name);
    if (fault !== null) throw refuse(`its name is refused, as ${fault}`);
    if (this.#entries.length >= MOST_ENTRIES) {
      throw refuse(`a transfer has at most ${MOST_ENTRIES} files and folders`);
    }
    this.#units += name.length;
    if (this.#units > MOST_NAMES) throw refuse("the names are too long, all together");
    if (this.#hasStream || kind === "stream" && this.#entries.length > 0) {
      throw refuse("standard input is sent alone");
    }
    const parent = parentOf(name);
    if (name !== topOf(name) && !this.#folders.has(parent)) throw refuse("its folder is missing");
    const blind = blindName(name);
    if (this.#blind.has(blind)) {
      throw refuse("another name is the same, or is on a file system that is blind for case");
    }
    if (this.#bytes + size > Number.MAX_SAFE_INTEGER) throw refuse("it is too large");
    this.#blind.add(blind);
    this.#entries.push(entry);
    this.#bytes += size;
    if (kind === "folder") this.#folders.add(name);
    else this.#files++;
    this.#hasStream = kind === "stream";
  }

  build(): Manifest {
    return { entries: this.#entries, bytes: this.#bytes, files: this.#files };
  }
}

/** Returns the messages that announce all, one after the other. */
export function* packManifest({ entries, bytes }: Manifest): Generator<Uint8Array> {
  yield packMessage({ kind: "announce", entries: entries.length, bytes });
  let parts: Uint8Array[] = [];
  let size = 0;
  for (const entry of entries) {
    const part = packEntry(entry);
    if (size + part.length > LONGEST_BODY) {
      yield packMessage({ kind: "entries", body: concat(...parts) });
      parts = [];
      size = 0;
    }
    parts.push(part);
    size += part.length;
  }
  if (size > 0) yield packMessage({ kind: "entries", body: concat(...parts) });
}

/** Takes an announcement. */
export class ManifestReader {
  readonly #builder = new ManifestBuilder();
  #announced: { readonly entries: number; readonly bytes: number } | null = null;

  /**
   * Returns all once it is complete; null = more is to come.
   * @throws {ProtocolError} where that is no announcement, or other than announced
   * @throws {TtunError} usage, where an entry is refused
   */
  take(message: Message): Manifest | null {
    if (this.#announced === null) {
      if (message.kind !== "announce") throw wrong("it begins with something else");
      const { entries, bytes } = message;
      if (entries === 0) throw wrong("it has no files");
      if (entries > MOST_ENTRIES) {
        throw new TtunError("usage", `Cannot take ${entries} files: ${MOST_ENTRIES} are the most`);
      }
      this.#announced = { entries, bytes };
      return null;
    }
    if (message.kind !== "entries") throw wrong("something else comes before its end");
    const reader = new Reader(message.body);
    const { entries, bytes } = this.#announced;
    if (reader.isAtEnd) throw wrong("a message of it is empty");
    while (!reader.isAtEnd) {
      if (this.#builder.length === entries) throw wrong("it has more files than it said");
      this.#builder.add(readEntry(reader));
    }
    if (this.#builder.bytes > bytes) throw wrong("it has more bytes than it said");
    if (this.#builder.length < entries) return null;
    if (this.#builder.bytes !== bytes) throw wrong("it has fewer bytes than it said");
    return this.#builder.build();
  }
}

function wrong(why: string): ProtocolError {
  return new ProtocolError(`Cannot read the announcement: ${why}`);
}
