import type { LibsslSymbols } from "./libssl_table.ts";

/** Results of verification that there are in OpenSSL 3.5 (openssl/x509_vfy.h). */
const VERIFY_RESULTS = 100;

/** TLS failed: why in OpenSSL's words, and the reason if the other end's certificate is refused. */
export class TlsFailure extends Error {
  override readonly name = "TlsFailure";

  constructor(readonly why: string, readonly certificate: string | null = null) {
    super(`TLS: ${certificate ?? why}`);
  }
}

/** OpenSSL's words for results of verification, by their code; null = nothing is verified. */
export type VerifyWords = readonly string[] | null;

/** Returns OpenSSL's words for results of verification, to be read while there is a permission. */
export function verifyWords(call: LibsslSymbols): string[] {
  return Array.from({ length: VERIFY_RESULTS }, (_, code) => {
    const text = call.X509_verify_cert_error_string(BigInt(code));
    return text === null ? `error ${code}` : new Deno.UnsafePointerView(text).getCString();
  });
}

/** Bytes for an error's text, which has at most so many (ERR_error_string_n(3)). */
const ERROR_TEXT = new Uint8Array(256);

/** Returns the oldest error of this thread in OpenSSL's words, and forgets all. */
export function takeError(call: LibsslSymbols): string {
  const code = call.ERR_get_error();
  call.ERR_error_string_n(code, ERROR_TEXT, BigInt(ERROR_TEXT.length));
  call.ERR_clear_error();
  const text = new TextDecoder().decode(ERROR_TEXT.subarray(0, ERROR_TEXT.indexOf(0)));
  return text.split(":").at(-1)!; // error:CODE:LIBRARY:FUNCTION:REASON
}
