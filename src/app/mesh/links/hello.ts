import { concat, toHex } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import type { Signer } from "../../../contract/signature.ts";
import type { NodeFacts, Trust } from "../../../core/mesh/admission/node_certificate.ts";
import { verifyNodeCertificate } from "../../../core/mesh/admission/node_certificate.ts";
import {
  isNodeProof,
  type LinkEnd,
  proveNode,
  quicBinding,
} from "../../../core/mesh/admission/node_proof.ts";
import { type Descriptor, descriptorVerifier } from "../../../core/mesh/descriptor.ts";
import type { Hello } from "../../../core/mesh/frame.ts";
import { nodeIdOfKey } from "../../../core/mesh/node_id.ts";
import { RevokedError } from "./revoked_error.ts";

/** Name in ALPN of links between nodes. */
export const LINK_PROTOCOL = "ttun-mesh/1";

/** Versions of the wire that this ttun speaks. */
export const VERSIONS = { lowestVersion: 1, highestVersion: 1 } as const;

export interface HelloTools {
  readonly signer: Signer;
  readonly self: () => Descriptor;
  /** In DER. */
  readonly certificate: () => Uint8Array;
  /** 16 bytes. */
  readonly cluster: Uint8Array;
  readonly trust: () => Trust;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly isRevoked: (nodeId: Uint8Array) => boolean;
}

/** Facts of one link, for which alone a proof is. */
export interface LinkNonces {
  /** Of its channel. */
  readonly binding: Uint8Array;
  readonly dialerNonce: Uint8Array;
  readonly listenerNonce: Uint8Array;
  readonly listener: Descriptor;
}

/** Returns this end's hello; its proof is empty as long as the other end's nonce is not known. */
export function makeHello(
  o: HelloTools,
  end: LinkEnd,
  nonce: Uint8Array,
  nonces: LinkNonces | null,
): Hello {
  return {
    type: "hello",
    request: 0,
    ...VERSIONS,
    clusterId: o.cluster,
    descriptor: o.self(),
    certificate: o.certificate(),
    nonce,
    proof: nonces === null ? new Uint8Array(64) : proveNode(o.signer, end, bindingOf(nonces)),
  };
}

/**
 * Checks all of the other end's hello but its proof. @throws {TtunError} auth, clock, protocol
 */
export function checkHello(hello: Hello, o: HelloTools): NodeFacts {
  if (toHex(hello.clusterId) !== toHex(o.cluster)) throw refused("it is of another cluster");
  const { lowestVersion, highestVersion } = VERSIONS;
  if (hello.lowestVersion > highestVersion || hello.highestVersion < lowestVersion) {
    throw new ProtocolError("Cannot speak with the node: its version of ttun is too far away");
  }
  const trust = o.trust();
  const facts = verifyNodeCertificate(hello.certificate, trust, o.now());
  const { descriptor } = hello;
  const isItsOwn = toHex(facts.nodeId) === descriptor.key && facts.host === descriptor.host &&
    facts.zone === descriptor.zone &&
    descriptor.roles.every((role) => facts.roles.includes(role)) &&
    descriptorVerifier(trust.verify)(descriptor);
  if (!isItsOwn) throw refused("what it says of itself is not what its certificate says");
  if (o.isRevoked(facts.nodeId)) throw new RevokedError("other");
  return facts;
}

/** @throws {TtunError} auth, if the proof is not by the node's key, or for another link */
export function checkProof(
  hello: Hello,
  end: LinkEnd,
  nonces: LinkNonces,
  { trust }: HelloTools,
): void {
  const { descriptor: { publicKey }, proof } = hello;
  if (isNodeProof(publicKey, end, bindingOf(nonces), proof, trust().verify)) return;
  throw refused("it does not have its key");
}

function bindingOf({ binding, dialerNonce, listenerNonce, listener }: LinkNonces): Uint8Array {
  const listenerId = nodeIdOfKey(listener.key);
  const alpn = LINK_PROTOCOL;
  return concat(quicBinding({ dialerNonce, listenerNonce, alpn, listenerId }), binding);
}

function refused(why: string): TtunError {
  return new TtunError("auth", `Cannot link with the node: ${why}`);
}
