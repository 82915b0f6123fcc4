import type { Clock } from "../../contract/host.ts";
import type { FileSource } from "../../contract/names.ts";

/** Shortest interval between two checks of the file, in milliseconds. */
const LOOK_MS = 1000;

/** A file's parsed content, read again when the file has changed. */
export class WatchedFile<T> {
  readonly #o: WatchedFileOptions<T>;
  #lookAt = -Infinity;
  #stamp: string | null | undefined;
  #value: T;

  constructor(o: WatchedFileOptions<T>) {
    this.#o = o;
    this.#value = o.parse(null);
  }

  /** Returns the same object for as long as the file is unchanged. */
  get value(): T {
    const { clock, source, path, most, parse } = this.#o;
    const now = clock.now();
    if (now < this.#lookAt) return this.#value;
    this.#lookAt = now + LOOK_MS;
    const stamp = source.stampOf(path);
    if (stamp !== null && stamp === this.#stamp) return this.#value;
    const isGone = stamp === null && this.#stamp !== null;
    this.#stamp = stamp;
    const text = stamp === null ? null : source.read(path, most);
    // A file that has become unreadable (such as after --user) keeps its last value.
    if (text !== null || isGone) this.#value = parse(text);
    return this.#value;
  }
}

export interface WatchedFileOptions<T> {
  readonly source: FileSource;
  readonly clock: Clock;
  readonly path: string;
  /** The most bytes that are read of the file. */
  readonly most: number;
  /** Parses the content; null = there is no file. Must not throw. */
  readonly parse: (text: string | null) => T;
}
