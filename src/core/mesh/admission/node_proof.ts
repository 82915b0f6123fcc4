import { concat, utf8 } from "../../../base/bytes.ts";
import type { Signer, VerifySignature } from "../../../contract/signature.ts";

/** Which end of a link it is: a proof of one end is none of the other's. */
export type LinkEnd = "dialer" | "listener";

/**
 * Returns the proof that an end of a link has its node's private key, for that link alone.
 * `binding`: what both ends, and no third one, have in common (32 bytes): `H(M, "mesh bind")` of link
 * version 2; of QUIC, `quicBinding`.
 */
export function proveNode(node: Signer, end: LinkEnd, binding: Uint8Array): Uint8Array {
  return node.sign(messageOf(end, binding));
}

/** `end`: the end that has sent the proof. */
export function isNodeProof(
  publicKey: Uint8Array,
  end: LinkEnd,
  binding: Uint8Array,
  proof: Uint8Array,
  verify: VerifySignature,
): boolean {
  return verify(publicKey, messageOf(end, binding), proof);
}

/**
 * Returns what binds a proof to a QUIC connection, of which nothing can be exported: the nonces of both
 * ends (32 bytes each), the protocol's name (ALPN), and the node id of the end whose certificate TLS
 * has checked.
 */
export function quicBinding(
  { dialerNonce, listenerNonce, alpn, listenerId }: {
    readonly dialerNonce: Uint8Array;
    readonly listenerNonce: Uint8Array;
    readonly alpn: string;
    readonly listenerId: Uint8Array;
  },
): Uint8Array {
  return concat(dialerNonce, listenerNonce, listenerId, utf8(alpn));
}

function messageOf(end: LinkEnd, binding: Uint8Array): Uint8Array {
  return concat(utf8(`ttun mesh proof ${end}\0`), binding);
}
