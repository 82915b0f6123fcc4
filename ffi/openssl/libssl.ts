import { openLibsslTable } from "./libssl_table.ts";
import {
  type CertificateFiles,
  clientContext,
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
  const library = openLibsslTable();
  const call = library.symbols;
  const words = verifyWords(call);
  return {
    ownContext: (name) => ownContext(call, words, name),
    serverContext: (files) => serverContext(call, words, files),
    clientContext: (ca) => clientContext(call, words, ca),
    [Symbol.dispose]: () => library[Symbol.dispose](),
  };
}
