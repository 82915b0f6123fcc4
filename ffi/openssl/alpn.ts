import { TtunError } from "../../src/base/errors.ts";
import type { LibsslSymbols } from "./libssl_table.ts";
import { TlsFailure } from "./tls_failure.ts";

/** These constants are of openssl/tls1.h and ssl.h. */
const SSL_TLSEXT_ERR_OK = 0;
const SSL_TLSEXT_ERR_ALERT_FATAL = 2;
const OPENSSL_NPN_NEGOTIATED = 1;

/** SSL_CTX_alpn_select_cb_func: ssl, out, outlen, in, inlen, arg. */
const SELECT = {
  parameters: ["pointer", "pointer", "pointer", "pointer", "u32", "pointer"],
  result: "i32",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** Offers a server these protocols (RFC 7301), the best first. */
export function offerProtocols(
  call: LibsslSymbols,
  context: Deno.PointerValue,
  names: readonly string[],
): void {
  const list = listOf(names);
  // The library copies the list, and returns 0 when that worked.
  if (call.SSL_CTX_set_alpn_protos(context, list, list.length) === 0) return;
  throw new TtunError("exhausted", "Cannot use TLS: out of memory");
}

/** A server's choice among names of ALPN, for any number of contexts; dispose after all handshakes. */
export interface ProtocolChoice extends Disposable {
  readonly names: readonly string[];
  readonly pointer: Deno.PointerObject;
}

/**
 * Has a server choose the first of these that the client offers, and refuse a client that offers
 * others alone (alert no_application_protocol). One that offers nothing is served. To be disposed of
 * before the context is freed.
 */
export function chooseProtocols(
  call: LibsslSymbols,
  context: Deno.PointerValue,
  names: readonly string[],
): Disposable {
  const choice = protocolChoice(call, names);
  call.SSL_CTX_set_alpn_select_cb(context, choice.pointer, null);
  return {
    [Symbol.dispose]: () => {
      // A session that still lives has a share of the context, and must not call what is gone.
      call.SSL_CTX_set_alpn_select_cb(context, null, null);
      choice[Symbol.dispose]();
    },
  };
}

/** Makes what `chooseProtocols` uses, for contexts that come and go. */
export function protocolChoice(call: LibsslSymbols, names: readonly string[]): ProtocolChoice {
  const list = listOf(names);
  // It runs inside SSL_do_handshake; `out` then points into `list`, which the library copies from.
  const callback = new Deno.UnsafeCallback(SELECT, (_ssl, out, outLength, offered, length) => {
    const found = call.SSL_select_next_proto(out, outLength, list, list.length, offered, length);
    return found === OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  });
  return { names, pointer: callback.pointer, [Symbol.dispose]: () => callback.close() };
}

/**
 * Returns the one of `names` that both ends speak; null = the other end has not chosen any. Reads no
 * memory by a view, for which there is no permission any more. @throws {TlsFailure} if it is another
 */
export function chosenProtocol(
  call: LibsslSymbols,
  ssl: Deno.PointerValue,
  names: readonly string[],
): string | null {
  const at = new BigUint64Array(1);
  const length = new Uint32Array(1);
  call.SSL_get0_alpn_selected(ssl, new Uint8Array(at.buffer), new Uint8Array(length.buffer));
  const [address, size] = [at[0]!, length[0]!];
  if (size === 0) return null;
  for (const name of names) {
    const bytes = new TextEncoder().encode(name);
    if (bytes.length !== size) continue;
    if (call.CRYPTO_memcmp(address, bytes, BigInt(size)) === 0) return name;
  }
  throw new TlsFailure("the other end has chosen a protocol that it was not offered");
}

/**
 * Returns the names as the wire has them, each behind its length (RFC 7301 section 3.1). They stay
 * where they are: V8 moves small arrays that lie in its own heap.
 */
function listOf(names: readonly string[]): Uint8Array<ArrayBuffer> {
  const encoded = names.map((name) => new TextEncoder().encode(name));
  const size = encoded.reduce((sum, { length }) => sum + 1 + length, 0);
  const list = new Uint8Array(new ArrayBuffer(size));
  let at = 0;
  for (const bytes of encoded) {
    list[at] = bytes.length;
    list.set(bytes, at + 1);
    at += 1 + bytes.length;
  }
  return list;
}
