import { TtunError } from "../../src/base/errors.ts";
import { type Library, openLibrary } from "../library.ts";
import { cString } from "../native.ts";

/** These constants are of openssl/ssl.h, tls1.h, x509.h, x509_vfy.h, x509v3.h, asn1.h and obj_mac.h. */
const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const TLSEXT_NAMETYPE_HOST_NAME = 0;
const TLS1_2_VERSION = 0x0303;
const SSL_OP_NO_TICKET = 1n << 14n;
const SSL_OP_NO_COMPRESSION = 1n << 17n;
const SSL_OP_NO_RENEGOTIATION = 1n << 30n;
const SSL_SESS_CACHE_OFF = 0n;
const SSL_FILETYPE_PEM = 1;
const SSL_VERIFY_NONE = 0;
const SSL_VERIFY_PEER = 1;
const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_ZERO_RETURN = 6;
const X509_V_OK = 0;
/** All that there are in OpenSSL 3.5. */
const VERIFY_RESULTS = 100;
const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 0x4;

const MBSTRING_ASC = 0x1001;
const NID_SUBJECT_ALT_NAME = 85;
const NID_EXT_KEY_USAGE = 126;
const X509_VERSION_3 = 2n;

const MAX_INT = 0x7fff_ffff;
const DAY_SECONDS = 86_400;
const DIGEST_SIZE = 32;

/** Functions of libssl 3, and of the libcrypto that it brings along. */
const TABLE = {
  TLS_client_method: { parameters: [], result: "pointer" },
  TLS_server_method: { parameters: [], result: "pointer" },
  SSL_CTX_new: { parameters: ["pointer"], result: "pointer" },
  SSL_CTX_free: { parameters: ["pointer"], result: "void" },
  SSL_CTX_ctrl: { parameters: ["pointer", "i32", "i64", "pointer"], result: "i64" },
  SSL_CTX_set_options: { parameters: ["pointer", "u64"], result: "u64" },
  SSL_CTX_set_num_tickets: { parameters: ["pointer", "usize"], result: "i32" },
  SSL_CTX_set_verify: { parameters: ["pointer", "i32", "pointer"], result: "void" },
  SSL_CTX_set_default_verify_paths: { parameters: ["pointer"], result: "i32" },
  SSL_CTX_load_verify_file: { parameters: ["pointer", "buffer"], result: "i32" },
  SSL_CTX_set_default_passwd_cb_userdata: { parameters: ["pointer", "buffer"], result: "void" },
  SSL_CTX_use_certificate_chain_file: { parameters: ["pointer", "buffer"], result: "i32" },
  SSL_CTX_use_PrivateKey_file: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  SSL_CTX_check_private_key: { parameters: ["pointer"], result: "i32" },
  SSL_CTX_get0_certificate: { parameters: ["pointer"], result: "pointer" },
  SSL_new: { parameters: ["pointer"], result: "pointer" },
  SSL_free: { parameters: ["pointer"], result: "void" },
  SSL_ctrl: { parameters: ["pointer", "i32", "i64", "buffer"], result: "i64" },
  SSL_set1_host: { parameters: ["pointer", "buffer"], result: "i32" },
  SSL_set_hostflags: { parameters: ["pointer", "u32"], result: "void" },
  SSL_get0_param: { parameters: ["pointer"], result: "pointer" },
  X509_VERIFY_PARAM_set1_ip_asc: { parameters: ["pointer", "buffer"], result: "i32" },
  SSL_set_connect_state: { parameters: ["pointer"], result: "void" },
  SSL_set_accept_state: { parameters: ["pointer"], result: "void" },
  SSL_set_bio: { parameters: ["pointer", "pointer", "pointer"], result: "void" },
  SSL_do_handshake: { parameters: ["pointer"], result: "i32" },
  SSL_read: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  SSL_write: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  SSL_shutdown: { parameters: ["pointer"], result: "i32" },
  SSL_get_error: { parameters: ["pointer", "i32"], result: "i32" },
  SSL_get_verify_result: { parameters: ["pointer"], result: "i64" },
  SSL_get1_peer_certificate: { parameters: ["pointer"], result: "pointer" },
  X509_free: { parameters: ["pointer"], result: "void" },
  X509_digest: { parameters: ["pointer", "pointer", "buffer", "buffer"], result: "i32" },
  X509_verify_cert_error_string: { parameters: ["i64"], result: "pointer" },
  EVP_sha256: { parameters: [], result: "pointer" },
  EVP_PKEY_CTX_new_from_name: { parameters: ["pointer", "buffer", "pointer"], result: "pointer" },
  EVP_PKEY_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_PKEY_keygen_init: { parameters: ["pointer"], result: "i32" },
  EVP_PKEY_generate: { parameters: ["pointer", "buffer"], result: "i32" },
  EVP_PKEY_free: { parameters: ["pointer"], result: "void" },
  X509_new: { parameters: [], result: "pointer" },
  X509_set_version: { parameters: ["pointer", "i64"], result: "i32" },
  X509_get_serialNumber: { parameters: ["pointer"], result: "pointer" },
  ASN1_INTEGER_set_uint64: { parameters: ["pointer", "u64"], result: "i32" },
  X509_getm_notBefore: { parameters: ["pointer"], result: "pointer" },
  X509_getm_notAfter: { parameters: ["pointer"], result: "pointer" },
  X509_gmtime_adj: { parameters: ["pointer", "i64"], result: "pointer" },
  X509_get_subject_name: { parameters: ["pointer"], result: "pointer" },
  X509_NAME_add_entry_by_txt: {
    parameters: ["pointer", "buffer", "i32", "buffer", "i32", "i32", "i32"],
    result: "i32",
  },
  X509_set_issuer_name: { parameters: ["pointer", "pointer"], result: "i32" },
  X509_set_pubkey: { parameters: ["pointer", "pointer"], result: "i32" },
  X509V3_EXT_conf_nid: {
    parameters: ["pointer", "pointer", "i32", "buffer"],
    result: "pointer",
  },
  X509_add_ext: { parameters: ["pointer", "pointer", "i32"], result: "i32" },
  X509_EXTENSION_free: { parameters: ["pointer"], result: "void" },
  X509_sign: { parameters: ["pointer", "pointer", "pointer"], result: "i32" },
  SSL_CTX_use_certificate: { parameters: ["pointer", "pointer"], result: "i32" },
  SSL_CTX_use_PrivateKey: { parameters: ["pointer", "pointer"], result: "i32" },
  BIO_s_mem: { parameters: [], result: "pointer" },
  BIO_new: { parameters: ["pointer"], result: "pointer" },
  BIO_read: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  BIO_write: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  ERR_get_error: { parameters: [], result: "u64" },
  ERR_clear_error: { parameters: [], result: "void" },
  ERR_error_string_n: { parameters: ["u64", "buffer", "usize"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * A password for keys: without one OpenSSL would ask on the terminal. OpenSSL keeps its address, and
 * V8 moves small arrays that lie in its own heap.
 */
const NO_PASSWORD = new Uint8Array(new ArrayBuffer(1));

type Symbols = Deno.StaticForeignLibraryInterface<typeof TABLE>;

/** File names; those of macOS and Windows have not been run yet. */
const NAMES: Readonly<Partial<Record<typeof Deno.build.os, readonly string[]>>> = {
  darwin: [
    "libssl.3.dylib",
    "/opt/homebrew/opt/openssl@3/lib/libssl.3.dylib",
    "/usr/local/opt/openssl@3/lib/libssl.3.dylib",
  ],
  windows: ["libssl-3-x64.dll", "libssl-3-arm64.dll"],
};
const UNIX_NAMES = ["libssl.so.3"];

/** TLS failed: why in OpenSSL's words, and the reason if the other end's certificate is refused. */
export class TlsFailure extends Error {
  override readonly name = "TlsFailure";

  constructor(readonly why: string, readonly certificate: string | null = null) {
    super(`TLS: ${certificate ?? why}`);
  }
}

/** The server's certificate chain and its key: PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Dispose after all its contexts. */
export interface Libssl extends Disposable {
  /**
   * A server's context with a certificate of its own, made for this run: Ed25519, self-signed, for
   * the name `name`, a week long.
   */
  ownContext(name: string): TlsContext;
  /** @throws {TtunError} usage, if one of the files cannot be used */
  serverContext(files: CertificateFiles): TlsContext;
  /**
   * `ca`: PEM file of the authorities that are trusted; "" = the system's; null = the certificate
   * is not verified, and the caller compares its digest.
   * @throws {TtunError} usage, if the file cannot be used; system, if the system has none
   */
  clientContext(ca: string | null): TlsContext;
}

/** @throws {TtunError} system, if there is no OpenSSL 3 */
export function openLibssl(): Libssl {
  const library = openTable();
  const call = library.symbols;
  const words = verifyWords(call);
  return {
    ownContext: (name) => ownContext(call, words, name),
    serverContext: (files) => serverContext(call, words, files),
    clientContext: (ca) => clientContext(call, words, ca),
    [Symbol.dispose]: () => library[Symbol.dispose](),
  };
}

function openTable(): Library<typeof TABLE> {
  try {
    return openLibrary(NAMES[Deno.build.os] ?? UNIX_NAMES, TABLE);
  } catch (error) {
    const words = "Cannot use TLS: OpenSSL 3 is missing; install the package libssl3 (Debian, " +
      "Ubuntu), openssl-libs (Fedora) or openssl";
    throw new TtunError("system", words, { cause: error });
  }
}

function serverContext(
  call: Symbols,
  words: readonly string[],
  { cert, key }: CertificateFiles,
): TlsContext {
  const context = newContext(call, words, true);
  try {
    const { pointer } = context;
    call.SSL_CTX_set_default_passwd_cb_userdata(pointer, NO_PASSWORD);
    if (call.SSL_CTX_use_certificate_chain_file(pointer, cString(cert)) !== 1) {
      throw unusable(call, `the certificate ${JSON.stringify(cert)}`);
    }
    if (
      call.SSL_CTX_use_PrivateKey_file(pointer, cString(key), SSL_FILETYPE_PEM) !== 1 ||
      call.SSL_CTX_check_private_key(pointer) !== 1
    ) throw unusable(call, `the key ${JSON.stringify(key)} of the certificate`);
    resumeNothing(call, pointer);
    return context;
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

/** Nothing of a stranger's stays in memory behind the connection. */
function resumeNothing(call: Symbols, pointer: Deno.PointerValue): void {
  call.SSL_CTX_set_num_tickets(pointer, 0n);
  call.SSL_CTX_set_options(pointer, SSL_OP_NO_TICKET);
  call.SSL_CTX_ctrl(pointer, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, null);
}

function ownContext(call: Symbols, words: readonly string[], name: string): TlsContext {
  using owned = new DisposableStack();
  const fail = () => {
    throw new TtunError("system", `Cannot make a certificate: ${takeError(call)}`);
  };
  const must = (result: number) => result > 0 || fail();
  const have = (pointer: Deno.PointerValue, free: (pointer: Deno.PointerValue) => void) =>
    owned.adopt(pointer ?? fail(), free);
  const maker = have(
    call.EVP_PKEY_CTX_new_from_name(null, cString("ED25519"), null),
    call.EVP_PKEY_CTX_free,
  );
  must(call.EVP_PKEY_keygen_init(maker));
  const made = new BigUint64Array(1);
  must(call.EVP_PKEY_generate(maker, new Uint8Array(made.buffer)));
  const key = have(Deno.UnsafePointer.create(made[0]!), call.EVP_PKEY_free);
  const certificate = have(call.X509_new(), call.X509_free);
  must(call.X509_set_version(certificate, X509_VERSION_3));
  const serial = crypto.getRandomValues(new BigUint64Array(1))[0]! >> 1n;
  must(call.ASN1_INTEGER_set_uint64(call.X509_get_serialNumber(certificate), serial));
  const day = BigInt(DAY_SECONDS);
  call.X509_gmtime_adj(call.X509_getm_notBefore(certificate), -day); // clocks differ
  call.X509_gmtime_adj(call.X509_getm_notAfter(certificate), 7n * day);
  const subject = call.X509_get_subject_name(certificate);
  const text = cString(name);
  must(call.X509_NAME_add_entry_by_txt(subject, cString("O"), MBSTRING_ASC, text, -1, -1, 0));
  must(call.X509_set_issuer_name(certificate, subject));
  must(call.X509_set_pubkey(certificate, key));
  for (
    const [nid, value] of [
      [NID_SUBJECT_ALT_NAME, `DNS:${name}`],
      [NID_EXT_KEY_USAGE, "serverAuth"],
    ] as const
  ) {
    const extension = have(
      call.X509V3_EXT_conf_nid(null, null, nid, cString(value)),
      call.X509_EXTENSION_free,
    );
    must(call.X509_add_ext(certificate, extension, -1)); // a copy
  }
  must(call.X509_sign(certificate, key, null));
  const context = newContext(call, words, true);
  try {
    must(call.SSL_CTX_use_certificate(context.pointer, certificate)); // both are counted
    must(call.SSL_CTX_use_PrivateKey(context.pointer, key));
    resumeNothing(call, context.pointer);
    return context;
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

function clientContext(call: Symbols, words: readonly string[], ca: string | null): TlsContext {
  const context = newContext(call, ca === null ? null : words, false);
  try {
    const { pointer } = context;
    call.SSL_CTX_set_verify(pointer, ca === null ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, null);
    if (ca === "" && call.SSL_CTX_set_default_verify_paths(pointer) !== 1) {
      throw new TtunError("system", "Cannot use TLS: the system has no list of authorities");
    }
    if (ca !== null && ca !== "" && call.SSL_CTX_load_verify_file(pointer, cString(ca)) !== 1) {
      throw unusable(call, `the authorities' file ${JSON.stringify(ca)}`);
    }
    return context;
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

function newContext(call: Symbols, words: VerifyWords, isServer: boolean): TlsContext {
  const pointer = call.SSL_CTX_new(isServer ? call.TLS_server_method() : call.TLS_client_method());
  if (pointer === null) throw new TtunError("exhausted", "Cannot use TLS: out of memory");
  call.SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, BigInt(TLS1_2_VERSION), null);
  call.SSL_CTX_set_options(pointer, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  return new TlsContext(call, words, pointer, isServer);
}

function unusable(call: Symbols, what: string): TtunError {
  return new TtunError("usage", `Cannot use ${what}: ${takeError(call)}`);
}

/** Bytes for an error's text, which has at most so many (ERR_error_string_n(3)). */
const ERROR_TEXT = new Uint8Array(256);

/** Returns the oldest error of this thread in OpenSSL's words, and forgets all. */
function takeError(call: Symbols): string {
  const code = call.ERR_get_error();
  call.ERR_error_string_n(code, ERROR_TEXT, BigInt(ERROR_TEXT.length));
  call.ERR_clear_error();
  const text = new TextDecoder().decode(ERROR_TEXT.subarray(0, ERROR_TEXT.indexOf(0)));
  return text.split(":").at(-1)!; // error:CODE:LIBRARY:FUNCTION:REASON
}

/** Returns OpenSSL's words for results of verification, to be read while there is a permission. */
function verifyWords(call: Symbols): string[] {
  return Array.from({ length: VERIFY_RESULTS }, (_, code) => {
    const text = call.X509_verify_cert_error_string(BigInt(code));
    return text === null ? `error ${code}` : new Deno.UnsafePointerView(text).getCString();
  });
}

/** OpenSSL's words for results of verification, by their code; null = nothing is verified. */
type VerifyWords = readonly string[] | null;

/** How one end presents itself and what it trusts. Dispose after all its sessions. */
export class TlsContext implements Disposable {
  readonly #call: Symbols;
  readonly #words: VerifyWords;
  readonly #isServer: boolean;
  #pointer: Deno.PointerValue;

  constructor(
    call: Symbols,
    words: VerifyWords,
    pointer: Deno.PointerValue,
    isServer: boolean,
  ) {
    this.#call = call;
    this.#words = words;
    this.#pointer = pointer;
    this.#isServer = isServer;
  }

  get pointer(): Deno.PointerValue {
    return this.#pointer;
  }

  /** SHA-256 of this end's own certificate (DER); null if it has none. */
  get ownDigest(): Uint8Array | null {
    const certificate = this.#call.SSL_CTX_get0_certificate(this.#pointer);
    return certificate === null ? null : digestOf(this.#call, certificate);
  }

  /**
   * Begins a session; the caller owns it. `name`: at a client, the host name or IP address that the
   * certificate must be for; a name is sent to the server (SNI, RFC 6066 section 3) as well.
   * @throws {TtunError} usage, if no certificate can be for it
   */
  begin(name: { readonly host: string; readonly isIp: boolean } | null): TlsSession {
    const call = this.#call;
    const ssl = call.SSL_new(this.#pointer);
    if (ssl === null) throw new TtunError("exhausted", "Cannot use TLS: out of memory");
    const incoming = call.BIO_new(call.BIO_s_mem());
    const outgoing = call.BIO_new(call.BIO_s_mem());
    call.SSL_set_bio(ssl, incoming, outgoing); // they are the session's now
    if (this.#isServer) call.SSL_set_accept_state(ssl);
    else call.SSL_set_connect_state(ssl);
    const session = new TlsSession(call, this.#words, ssl, incoming, outgoing);
    try {
      if (name !== null) nameServer(call, ssl, name);
      return session;
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#call.SSL_CTX_free(this.#pointer); // NULL is a no-op
    this.#pointer = null;
  }
}

function nameServer(
  call: Symbols,
  ssl: Deno.PointerValue,
  { host, isIp }: { readonly host: string; readonly isIp: boolean },
): void {
  const text = cString(host);
  if (isIp) {
    if (call.X509_VERIFY_PARAM_set1_ip_asc(call.SSL_get0_param(ssl), text) === 1) return;
    throw unusableName(call, host);
  }
  call.SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, BigInt(TLSEXT_NAMETYPE_HOST_NAME), text);
  call.SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // OpenSSL takes an empty name for none, and would verify none.
  if (host === "" || call.SSL_set1_host(ssl, text) !== 1) throw unusableName(call, host);
}

/** Without a name OpenSSL would trust any certificate of the authorities. */
function unusableName(call: Symbols, host: string): TtunError {
  call.ERR_clear_error();
  return new TtunError("usage", `Cannot use TLS: no certificate is for ${JSON.stringify(host)}`);
}

function digestOf(call: Symbols, certificate: Deno.PointerValue): Uint8Array {
  const digest = new Uint8Array(DIGEST_SIZE);
  const size = new Uint32Array(1);
  const bytes = new Uint8Array(size.buffer);
  call.X509_digest(certificate, call.EVP_sha256(), digest, bytes);
  return digest;
}

/**
 * One end of a TLS connection, without a connection: bytes of the peer go in by `give`, bytes for it
 * come out by `take`. Calls after dispose throw `internal`.
 */
export class TlsSession implements Disposable {
  readonly #call: Symbols;
  readonly #incoming: Deno.PointerValue;
  readonly #outgoing: Deno.PointerValue;
  readonly #words: VerifyWords;
  #ssl: Deno.PointerValue;

  constructor(
    call: Symbols,
    words: VerifyWords,
    ssl: Deno.PointerValue,
    incoming: Deno.PointerValue,
    outgoing: Deno.PointerValue,
  ) {
    this.#call = call;
    this.#words = words;
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

  /** Takes bytes that came from the peer, which are not empty. */
  give(bytes: Uint8Array): void {
    this.#living();
    if (this.#call.BIO_write(this.#incoming, bytes, bytes.length) === bytes.length) return;
    throw new TtunError("exhausted", "Cannot use TLS: out of memory");
  }

  /** Writes bytes for the peer to the front of `into`, and returns how many; 0 = there are none. */
  take(into: Uint8Array): number {
    this.#living();
    return Math.max(0, this.#call.BIO_read(this.#outgoing, into, into.length));
  }

  /** SHA-256 of the peer's certificate (DER); null if it has none. */
  get peerDigest(): Uint8Array | null {
    const certificate = this.#call.SSL_get1_peer_certificate(this.#living());
    if (certificate === null) return null;
    try {
      return digestOf(this.#call, certificate);
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
  }
}
