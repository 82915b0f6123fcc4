import { TtunError } from "../../src/base/errors.ts";
import { cString } from "../native.ts";
import { chooseProtocols, offerProtocols, type ProtocolChoice } from "./alpn.ts";
import { bindingOf, digestOf, makeCertificate } from "./certificate.ts";
import type { LibsslSymbols } from "./libssl_table.ts";
import { takeError, type VerifyWords } from "./tls_failure.ts";
import { TlsSession } from "./tls_session.ts";

/** These constants are of openssl/ssl.h, tls1.h and x509v3.h. */
const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const SSL_CTRL_SET_TLSEXT_TICKET_KEYS = 59;
const SSL_CTRL_CHAIN_CERT = 89;
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
const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 0x4;

/**
 * A password for keys: without one OpenSSL would ask on the terminal. OpenSSL keeps its address, and
 * V8 moves small arrays that lie in its own heap.
 */
const NO_PASSWORD = new Uint8Array(new ArrayBuffer(1));

/** Bytes of the secrets of tickets: name, HMAC key, AES key. */
const TICKET_KEYS = 80;

/** The server's certificate chain and its key: PEM files. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** How one end presents itself and what it trusts. Dispose after all its sessions. */
export class TlsContext implements Disposable {
  readonly #call: LibsslSymbols;
  readonly #words: VerifyWords;
  readonly #isServer: boolean;
  #pointer: Deno.PointerValue;
  #protocols: readonly string[] = [];
  #choice: Disposable | null = null;

  constructor(
    call: LibsslSymbols,
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

  /** Names of ALPN that this end speaks, the best first; none = it takes no part in ALPN. */
  get protocols(): readonly string[] {
    return this.#protocols;
  }

  /** Sets them, once. @throws {TtunError} exhausted */
  setProtocols(names: readonly string[]): void {
    if (names.length === 0) return;
    this.#protocols = names;
    if (this.#isServer) this.#choice = chooseProtocols(this.#call, this.#pointer, names);
    else offerProtocols(this.#call, this.#pointer, names);
  }

  /** Has a server choose as others do that share this choice, which must outlive all sessions. */
  shareChoice({ names, pointer }: ProtocolChoice): void {
    this.#protocols = names;
    this.#call.SSL_CTX_set_alpn_select_cb(this.#pointer, pointer, null);
  }

  /** SHA-256 of this end's own certificate (DER); null if it has none. */
  get ownDigest(): Uint8Array | null {
    const certificate = this.#call.SSL_CTX_get0_certificate(this.#pointer);
    return certificate === null ? null : digestOf(this.#call, certificate);
  }

  /** BLAKE2s-256 of it, to which links are bound. */
  get ownBinding(): Uint8Array | null {
    const certificate = this.#call.SSL_CTX_get0_certificate(this.#pointer);
    return certificate === null ? null : bindingOf(this.#call, certificate);
  }

  /**
   * Begins a session; the caller owns it. `name`: at a client, the host name or IP address that the
   * certificate must be for; a name is sent to the server (SNI, RFC 6066 section 3) as well.
   * `mayResume`: a server gives tickets, where its context has them, and takes them.
   * @throws {TtunError} usage, if no certificate can be for it
   */
  begin(
    name: { readonly host: string; readonly isIp: boolean } | null,
    mayResume = true,
  ): TlsSession {
    const call = this.#call;
    const ssl = call.SSL_new(this.#pointer);
    if (ssl === null) throw new TtunError("exhausted", "Cannot use TLS: out of memory");
    const incoming = call.BIO_new(call.BIO_s_mem());
    const outgoing = call.BIO_new(call.BIO_s_mem());
    call.SSL_set_bio(ssl, incoming, outgoing); // they are the session's now
    if (!mayResume) call.SSL_set_options(ssl, SSL_OP_NO_TICKET);
    if (this.#isServer) call.SSL_set_accept_state(ssl);
    else call.SSL_set_connect_state(ssl);
    const session = new TlsSession(call, this.#words, ssl, { incoming, outgoing }, this.#protocols);
    try {
      if (name !== null) nameServer(call, ssl, name);
      return session;
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#choice?.[Symbol.dispose]();
    this.#choice = null;
    this.#call.SSL_CTX_free(this.#pointer); // NULL is a no-op
    this.#pointer = null;
  }
}

function nameServer(
  call: LibsslSymbols,
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
function unusableName(call: LibsslSymbols, host: string): TtunError {
  call.ERR_clear_error();
  return new TtunError("usage", `Cannot use TLS: no certificate is for ${JSON.stringify(host)}`);
}

/** @throws {TtunError} usage, if one of the files cannot be used */
export function serverContext(
  call: LibsslSymbols,
  words: readonly string[],
  { cert, key }: CertificateFiles,
  protocols: readonly string[] = [],
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
    context.setProtocols(protocols);
    return context;
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

/** One name's server: its certificate, and its clients' way to resume what they have begun. */
export interface NamedServer {
  /** In PEM: the certificate, behind it those between it and the authority. */
  readonly certificates: readonly string[];
  /** In PEM. */
  readonly key: string;
  readonly choice: ProtocolChoice;
  /** 80 secret bytes that tickets are sealed with: a ticket is worth nothing under others. */
  readonly ticketKeys: Uint8Array;
  /** At most 32 bytes: a session of another context is not resumed (CVE-2025-23419). */
  readonly sessionContext: Uint8Array;
}

/** Seconds for which a ticket is worth anything. */
const TICKET_SECONDS = 7200n;

/** @throws {TtunError} usage, if certificate and key are unusable or not of each other */
export function namedServerContext(
  call: LibsslSymbols,
  words: readonly string[],
  { certificates, key, choice, ticketKeys, sessionContext }: NamedServer,
): TlsContext {
  const context = newContext(call, words, true);
  try {
    const { pointer } = context;
    certificates.forEach((pem, i) => {
      using certificate = readPem(call, pem, "certificate");
      const taken = i === 0
        ? BigInt(call.SSL_CTX_use_certificate(pointer, certificate.pointer))
        : call.SSL_CTX_ctrl(pointer, SSL_CTRL_CHAIN_CERT, 1n, certificate.pointer);
      if (taken !== 1n) throw unusable(call, "the certificate");
    });
    using own = readPem(call, key, "key");
    if (
      call.SSL_CTX_use_PrivateKey(pointer, own.pointer) !== 1 ||
      call.SSL_CTX_check_private_key(pointer) !== 1
    ) throw unusable(call, "the key of the certificate");
    call.SSL_CTX_ctrl(pointer, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, null);
    call.SSL_CTX_set_timeout(pointer, TICKET_SECONDS);
    call.SSL_CTX_set_session_id_context(pointer, sessionContext, sessionContext.length);
    const keys = new Uint8Array(new ArrayBuffer(TICKET_KEYS)); // V8 does not move it
    keys.set(ticketKeys);
    const address = Deno.UnsafePointer.of(keys);
    call.SSL_CTX_ctrl(pointer, SSL_CTRL_SET_TLSEXT_TICKET_KEYS, BigInt(TICKET_KEYS), address);
    keys.fill(0);
    context.shareChoice(choice);
    return context;
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

/** @throws {TtunError} usage */
function readPem(
  call: LibsslSymbols,
  pem: string,
  what: "certificate" | "key",
): { readonly pointer: Deno.PointerValue } & Disposable {
  const text = cString(pem);
  const bio = call.BIO_new_mem_buf(text, text.length - 1);
  const isKey = what === "key";
  const read = isKey ? call.PEM_read_bio_PrivateKey : call.PEM_read_bio_X509;
  const pointer = read(bio, null, null, NO_PASSWORD);
  call.BIO_free(bio);
  text.fill(0); // until here OpenSSL has its address
  if (pointer === null) throw unusable(call, `the ${what}`);
  const free = isKey ? call.EVP_PKEY_free : call.X509_free;
  return { pointer, [Symbol.dispose]: () => free(pointer) };
}

/** With a certificate of its own, made for this run (`makeCertificate`). @throws {TtunError} system */
export function ownContext(
  call: LibsslSymbols,
  words: readonly string[],
  name: string,
): TlsContext {
  using made = makeCertificate(call, name);
  const context = newContext(call, words, true);
  try {
    const { pointer } = context;
    const isTaken = call.SSL_CTX_use_certificate(pointer, made.certificate) === 1 &&
      call.SSL_CTX_use_PrivateKey(pointer, made.key) === 1; // both are counted
    if (!isTaken) throw new TtunError("system", `Cannot use a certificate: ${takeError(call)}`);
    resumeNothing(call, pointer);
    return context;
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

/** `ca` as `Libssl.clientContext` has it. @throws {TtunError} usage, system */
export function clientContext(
  call: LibsslSymbols,
  words: readonly string[],
  ca: string | null,
  protocols: readonly string[] = [],
): TlsContext {
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
    context.setProtocols(protocols);
    return context;
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

function newContext(call: LibsslSymbols, words: VerifyWords, isServer: boolean): TlsContext {
  const pointer = call.SSL_CTX_new(isServer ? call.TLS_server_method() : call.TLS_client_method());
  if (pointer === null) throw new TtunError("exhausted", "Cannot use TLS: out of memory");
  call.SSL_CTX_ctrl(pointer, SSL_CTRL_SET_MIN_PROTO_VERSION, BigInt(TLS1_2_VERSION), null);
  call.SSL_CTX_set_options(pointer, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  return new TlsContext(call, words, pointer, isServer);
}

/** Nothing of a stranger's stays in memory behind the connection. */
function resumeNothing(call: LibsslSymbols, pointer: Deno.PointerValue): void {
  call.SSL_CTX_set_num_tickets(pointer, 0n);
  call.SSL_CTX_set_options(pointer, SSL_OP_NO_TICKET);
  call.SSL_CTX_ctrl(pointer, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, null);
}

/** Words for the remedy, where OpenSSL's own for a file have none. */
const REMEDIES: Readonly<Record<string, string>> = {
  "no start line": "it holds none in PEM format; are certificate and key exchanged?",
  "unsupported": "it holds none in PEM format; are certificate and key exchanged?",
  "no certificate or crl found": "name a file of certificates in PEM format",
  "key values mismatch": "it belongs to another certificate",
  "bad decrypt": "take the password off it: openssl pkey -in FILE -out NEW",
};

function unusable(call: LibsslSymbols, what: string): TtunError {
  const why = takeError(call);
  const remedy = REMEDIES[why];
  const words = remedy === undefined ? why : `${why}; ${remedy}`;
  return new TtunError("usage", `Cannot use ${what}: ${words}`);
}
