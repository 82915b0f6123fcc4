import { concat } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { chosenProtocol } from "./alpn.ts";
import { bindingOf, digestOf } from "./certificate.ts";
import type { LibsslSymbols } from "./libssl_table.ts";
import { takeError, TlsFailure, type VerifyWords } from "./tls_failure.ts";

/** These constants are of openssl/ssl.h, bio.h and x509_vfy.h. */
const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_ZERO_RETURN = 6;
const BIO_CTRL_PENDING = 10;
const BIO_C_SET_BUF_MEM_EOF_RETURN = 130;
const X509_V_OK = 0;

const MAX_INT = 0x7fff_ffff;

/** Bytes of an array that V8 may keep in its own heap, where it moves; longer ones stay. */
const MOST_IN_HEAP = 64;

/**
 * One end of a TLS connection, without a connection: bytes of the peer go in by `give`, bytes for it
 * come out by `take`. Calls after dispose throw `internal`.
 */
export class TlsSession implements Disposable {
  readonly #call: LibsslSymbols;
  #incoming: Deno.PointerValue;
  readonly #outgoing: Deno.PointerValue;
  readonly #words: VerifyWords;
  readonly #protocols: readonly string[];
  #ssl: Deno.PointerValue;
  /** Bytes of the peer that OpenSSL has the address of; null = there were none so far. */
  #given: Uint8Array | null = null;
  /** They are somebody else's. */
  #isLent = false;

  /** `protocols`: names of ALPN that this end speaks. */
  constructor(
    call: LibsslSymbols,
    words: VerifyWords,
    ssl: Deno.PointerValue,
    { incoming, outgoing }: Record<"incoming" | "outgoing", Deno.PointerValue>,
    protocols: readonly string[],
  ) {
    this.#call = call;
    this.#words = words;
    this.#protocols = protocols;
    this.#ssl = ssl;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  get isDisposed(): boolean {
    return this.#ssl === null;
  }

  /** Returns true when the handshake is complete, false if it needs more. @throws {TlsFailure} */
  handshake(): boolean {
    const ssl = this.#living();
    this.#call.ERR_clear_error();
    const result = this.#call.SSL_do_handshake(ssl);
    if (result === 1) return true;
    if (this.#call.SSL_get_error(ssl, result) === SSL_ERROR_WANT_READ) return false;
    throw this.#failed();
  }

  /**
   * Reads to the front of `into`, which is not empty; null = the peer has ended its direction
   * (close_notify), undefined = more is needed. @throws {TlsFailure}
   */
  read(into: Uint8Array): number | null | undefined {
    const ssl = this.#living();
    this.#call.ERR_clear_error();
    const got = this.#call.SSL_read(ssl, into, Math.min(into.length, MAX_INT));
    if (got > 0) return got;
    switch (this.#call.SSL_get_error(ssl, got)) {
      case SSL_ERROR_WANT_READ:
        return undefined;
      case SSL_ERROR_ZERO_RETURN:
        return null;
      default:
        throw this.#failed();
    }
  }

  /** Encrypts all of `bytes`, which are not empty. @throws {TlsFailure} */
  write(bytes: Uint8Array): void {
    const ssl = this.#living();
    this.#call.ERR_clear_error();
    if (this.#call.SSL_write(ssl, bytes, bytes.length) !== bytes.length) throw this.#failed();
  }

  /** Ends this end's direction (close_notify); reading goes on. */
  shutdown(): void {
    const ssl = this.#living();
    this.#call.ERR_clear_error();
    this.#call.SSL_shutdown(ssl);
  }

  /**
   * Takes bytes that came from the peer, which are not empty. OpenSSL reads them where they lie: they
   * must not change until `read` or `handshake` needs more, or until `keep`.
   */
  give(bytes: Uint8Array): void {
    this.#living();
    const unread = this.#unread;
    if (unread > 0) this.#lend(concat(this.#given!.subarray(-unread), bytes), false);
    else this.#lend(bytes, true);
  }

  /** Copies what is unread of the bytes that were given, which may change from now on. */
  keep(): void {
    if (!this.#isLent || this.#ssl === null) return;
    this.#isLent = false;
    const unread = this.#unread;
    if (unread > 0) this.#lend(this.#given!.slice(-unread), false);
  }

  #lend(bytes: Uint8Array, isLent: boolean): void {
    const call = this.#call;
    const given = bytes.length > MOST_IN_HEAP ? bytes : outsideHeap(bytes);
    const incoming = call.BIO_new_mem_buf(given, given.length);
    if (incoming === null) throw new TtunError("exhausted", "Cannot use TLS: out of memory");
    call.BIO_ctrl(incoming, BIO_C_SET_BUF_MEM_EOF_RETURN, -1n, null); // more may come
    call.SSL_set0_rbio(this.#ssl, incoming); // owns it, and frees the one before
    this.#incoming = incoming;
    this.#given = given;
    this.#isLent = isLent && given === bytes;
  }

  get #unread(): number {
    return Number(this.#call.BIO_ctrl(this.#incoming, BIO_CTRL_PENDING, 0n, null));
  }

  /** Writes bytes for the peer to the front of `into`, and returns how many; 0 = there are none. */
  take(into: Uint8Array): number {
    this.#living();
    return Math.max(0, this.#call.BIO_read(this.#outgoing, into, into.length));
  }

  /** SHA-256 of the peer's certificate (DER); null if it has none. */
  get peerDigest(): Uint8Array | null {
    return this.#ofCertificate(digestOf);
  }

  /** BLAKE2s-256 of it, to which links are bound. */
  get peerBinding(): Uint8Array | null {
    return this.#ofCertificate(bindingOf);
  }

  /**
   * The protocol that both ends have agreed on (ALPN), once the handshake is complete; null = they
   * have not: one of them names none. @throws {TlsFailure} if the server's is none that was offered
   */
  get protocol(): string | null {
    return chosenProtocol(this.#call, this.#living(), this.#protocols);
  }

  /** The handshake has gone on with an earlier session, once it is complete. */
  get isResumed(): boolean {
    return this.#call.SSL_session_reused(this.#living()) === 1;
  }

  #ofCertificate(hash: typeof digestOf): Uint8Array | null {
    const certificate = this.#call.SSL_get1_peer_certificate(this.#living());
    if (certificate === null) return null;
    try {
      return hash(this.#call, certificate);
    } finally {
      this.#call.X509_free(certificate);
    }
  }

  #failed(): TlsFailure {
    const call = this.#call;
    const why = takeError(call);
    const words = this.#words;
    if (words === null) return new TlsFailure(why);
    const verified = call.SSL_get_verify_result(this.#ssl);
    if (Number(verified) === X509_V_OK) return new TlsFailure(why);
    return new TlsFailure(why, words[Number(verified)] ?? `error ${verified}`);
  }

  /** OpenSSL does not check its pointers: it would read freed memory. */
  #living(): Deno.PointerValue {
    if (this.#ssl !== null) return this.#ssl;
    throw new TtunError("internal", "Cannot use a TLS session after its end");
  }

  [Symbol.dispose](): void {
    this.#call.SSL_free(this.#ssl); // with what is not read of both directions; NULL is a no-op
    this.#ssl = null;
    this.#given = null;
  }
}

/** Copies bytes to where V8 never moves them. */
function outsideHeap(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
