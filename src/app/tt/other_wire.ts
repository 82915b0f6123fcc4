import type { Connection } from "../../contract/connection.ts";
import type { Visitor } from "../net/gatekeeper.ts";

/** Another wire that clients speak on the same ports, with the same keys. */
export interface OtherWire<Found = unknown> {
  /** Bytes that tell it from tt. */
  readonly size: number;
  /** Begins to judge the first `size` bytes, which it keeps, of a connection from an address group. */
  recognise(first: Uint8Array, group: string): OtherJudge<Found>;
  /**
   * Has the client prove its key; `bytes` are all that have come. The connection stays the caller's.
   * Throws as `readFirstFrame`.
   */
  prove(
    stream: Connection,
    found: Found,
    bytes: Uint8Array,
    visitor: Visitor,
  ): Promise<OtherClient>;
}

export interface OtherJudge<Found = unknown> extends Disposable {
  /** Returns null if the bytes are not of this wire; undefined: it is not known before `changed`. */
  find(): Found | null | undefined;
  /** Resolves when it may know more. */
  changed(): Promise<void>;
}

/** A client of the other wire that has proved a key. */
export interface OtherClient {
  /** Name of its key. */
  readonly account: string;
  /**
   * Serves it to its end, and disposes of what `prove` has made. `port`: by which it came; `portAt`
   * tells the ports of its key. Returns true if a damaged record ended it.
   */
  serve(port: number, portAt: (minute: number) => number): Promise<boolean>;
}

/** A connection whose first bytes are of the other wire. */
export interface OtherFound {
  readonly found: unknown;
  readonly bytes: Uint8Array;
}
