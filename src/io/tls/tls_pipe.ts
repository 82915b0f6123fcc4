import type { Connection } from "../../contract/connection.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { cutOff } from "./tls_errors.ts";

/** Bytes that are encrypted before they are sent: four records. */
export const CHUNK = 64 * 1024;

/** Scratch of all connections: bytes from and for the peers, encrypted. */
const INCOMING = new Uint8Array(CHUNK);
const OUTGOING = new Uint8Array(CHUNK + 4096);

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

  /** Reads what has come, and returns how many bytes. @throws {TtunError} lost, at an end */
  pull(): number {
    const got = this.inner.readNow(INCOMING);
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
