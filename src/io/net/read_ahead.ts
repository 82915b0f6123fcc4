/** Bytes to read ahead: few for an idle connection, many for a bulk transfer to save calls. */
export const LEAST_AHEAD = 4 * 1024;
const MOST_AHEAD = 256 * 1024;

/** A read that started before a caller had a buffer for it. */
export class ReadAhead {
  readonly #bytes: Uint8Array;
  #outcome: { got: number | null } | { error: unknown } | null = null;
  #taken = 0;

  /**
   * `onOver` must not throw. `spare`: the buffer of an earlier one, which is taken where it has this
   * size.
   */
  constructor(
    size: number,
    read: (into: Uint8Array) => Promise<number | null>,
    onOver: () => void,
    spare: Uint8Array | null = null,
  ) {
    this.#bytes = spare?.length === size ? spare : new Uint8Array(size);
    read(this.#bytes).then((got) => {
      this.#outcome = { got };
      onOver();
    }, (error) => {
      this.#outcome = { error };
      onOver();
    });
  }

  get isOver(): boolean {
    return this.#outcome !== null;
  }

  /** Bytes of the next buffer, adapted to the amount that arrived. */
  get nextSize(): number {
    const size = this.#bytes.length;
    const got = this.#length;
    if (got === size) return Math.min(2 * size, MOST_AHEAD);
    return got < size / 4 ? Math.max(size / 2, LEAST_AHEAD) : size;
  }

  get #length(): number {
    return this.#outcome !== null && "got" in this.#outcome ? this.#outcome.got ?? 0 : 0;
  }

  /** The buffer, for the next one, once this one is empty. */
  get spare(): Uint8Array {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#taken === this.#length;
  }

  /** Valid only once `isOver`. @throws the error of the read */
  take(into: Uint8Array): number | null {
    const outcome = this.#outcome!;
    if ("error" in outcome) throw outcome.error;
    if (outcome.got === null) return null;
    const part = this.#bytes.subarray(
      this.#taken,
      Math.min(this.#taken + into.length, outcome.got),
    );
    into.set(part);
    this.#taken += part.length;
    return part.length;
  }
}
