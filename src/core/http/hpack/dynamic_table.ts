import type { Field } from "../fields.ts";

/** Bytes that an entry counts beside its texts (RFC 7541 section 4.1). */
export const ENTRY_OVERHEAD = 32;

export interface TableEntry extends Field {
  /** Its name and value are as HTTP allows, checked once. */
  readonly isValid: boolean;
}

export function sizeOf({ name, value }: Field): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}

/** Fields that both ends remember, newest first (RFC 7541 section 2.3.2). */
export class DynamicTable {
  readonly #dropped: ((entry: TableEntry, number: number) => void) | null;
  /** The oldest first; those before `#first` are gone. */
  #entries: (TableEntry | null)[] = [];
  #first = 0;
  #count = 0;
  #size = 0;
  #limit: number;

  /** `dropped` is told of each entry that goes, with its number. */
  constructor(limit: number, dropped: ((entry: TableEntry, number: number) => void) | null = null) {
    this.#limit = limit;
    this.#dropped = dropped;
  }

  get length(): number {
    return this.#entries.length - this.#first;
  }

  get size(): number {
    return this.#size;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Number of the entry that was added last; they count from 1. */
  get lastNumber(): number {
    return this.#count;
  }

  /** Returns an entry by its age, the newest at 0. */
  at(age: number): TableEntry | undefined {
    return age < this.length
      ? this.#entries[this.#entries.length - 1 - age] ?? undefined
      : undefined;
  }

  setLimit(limit: number): void {
    this.#limit = limit;
    this.#evict(0);
  }

  /** Adds an entry, for which older ones go; one that is larger than the table empties it. */
  add(entry: TableEntry): void {
    const size = sizeOf(entry);
    this.#evict(size);
    if (size > this.#limit) return;
    this.#entries.push(entry);
    this.#count++;
    this.#size += size;
  }

  #evict(room: number): void {
    while (this.#size + room > this.#limit && this.length > 0) {
      const entry = this.#entries[this.#first]!;
      this.#dropped?.(entry, this.#count - this.length + 1);
      this.#entries[this.#first++] = null;
      this.#size -= sizeOf(entry);
    }
    if (this.#first > 64 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }
}
