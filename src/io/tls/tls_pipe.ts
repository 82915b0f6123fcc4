import type { Connection } from "../../contract/connection.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { cutOff } from "./tls_errors.ts";

/**
 * Bytes that are encrypted before they are sent, and most that are read at once: each call of the
 * kernel costs as much as some records do.
 */
export const CHUNK = 256 * 1024;

/** OpenSSL adds so much to them at most: 22 bytes to each record of 16 KiB, or to a shorter one. */
const ROOM_FOR_RECORDS = 4096;

/** Scratch of all connections: bytes from and for the peers, encrypted. */
const INCOMING = new Uint8Array(CHUNK);
const OUTGOING = new Uint8Array(CHUNK + ROOM_FOR_RECORDS);

const NOTHING = new Uint8Array(0);

/** Carries the encrypted bytes of a session over a connection. Borrows both. */
export class TlsPipe {
  readonly inner: Connection;
  readonly session: TlsSession;
  /** Bytes that the connection has not taken yet. */
  #unsent: Uint8Array = NOTHING;

  constructor(inner: Connection, session: TlsSession) {
    this.inner = inner;
    this.session = session;
  }

  /**
   * Reads what has come, `most` bytes of it, and returns how many. It is for a session that needs
   * more, and that keeps what it does not use at once. @throws {TtunError} lost, at an end
   */
  pull(most: number): number {
    const got = this.inner.readNow(INCOMING.subarray(0, most));
    if (got === undefined) return 0;
    if (got === null) throw cutOff(this.inner.peer);
    this.session.give(INCOMING.subarray(0, got));
    return got;
  }

  /** Sends what there is; returns true if that was all, else the connection has no room. */
  flush(): boolean {
    if (this.#unsent.length > 0) {
      this.#unsent = this.#unsent.subarray(this.inner.writeNow(this.#unsent));
    }
    while (this.#unsent.length === 0) {
      const size = this.session.take(OUTGOING);
      if (size === 0) return true;
      const done = this.inner.writeNow(OUTGOING.subarray(0, size));
      if (done < size) this.#unsent = OUTGOING.slice(done, size);
    }
    return false;
  }

  /** Sends what tells the peer of a failure, if it can (alert, RFC 8446 section 6). */
  flushAlert(): void {
    try {
      this.flush();
    } catch {
      // The connection is gone.
    }
  }
}
