import { type ProtocolChoice, protocolChoice } from "./alpn.ts";
import { openLibsslTable } from "./libssl_table.ts";
import {
  type CertificateFiles,
  clientContext,
  type NamedServer,
  namedServerContext,
  ownContext,
  serverContext,
  type TlsContext,
} from "./tls_context.ts";
import { verifyWords } from "./tls_failure.ts";

/** Dispose after all its contexts. */
export interface Libssl extends Disposable {
  /**
   * A server's context with a certificate of its own, made for this run: Ed25519, self-signed, for
   * the name `name`, a week long.
   */
  ownContext(name: string): TlsContext;
  /**
   * `protocols`: names of ALPN, one of which a client must speak that offers any; none = all clients
   * are served. @throws {TtunError} usage, if one of the files cannot be used
   */
  serverContext(files: CertificateFiles, protocols?: readonly string[]): TlsContext;
  /** Makes a choice among names of ALPN that contexts of `namedServer` share. */
  protocolChoice(names: readonly string[]): ProtocolChoice;
  /** @throws {TtunError} usage, if certificate and key are unusable or not of each other */
  namedServer(o: NamedServer): TlsContext;
  /**
   * `ca`: PEM file of the authorities that are trusted; "" = the system's; null = the certificate
   * is not verified, and the caller compares its digest. `protocols`: names of ALPN that are offered.
   * @throws {TtunError} usage, if the file cannot be used; system, if the system has none
   */
  clientContext(ca: string | null, protocols?: readonly string[]): TlsContext;
}

/** @throws {TtunError} system, if there is no OpenSSL 3 */
export function openLibssl(): Libssl {
  const library = openLibsslTable();
  const call = library.symbols;
  const words = verifyWords(call);
  return {
    ownContext: (name) => ownContext(call, words, name),
    serverContext: (files, protocols) => serverContext(call, words, files, protocols),
    protocolChoice: (names) => protocolChoice(call, names),
    namedServer: (o) => namedServerContext(call, words, o),
    clientContext: (ca, protocols) => clientContext(call, words, ca, protocols),
    [Symbol.dispose]: () => library[Symbol.dispose](),
  };
}
