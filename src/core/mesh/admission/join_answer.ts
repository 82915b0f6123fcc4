import { decodeBase64Url, encodeBase64Url } from "../../../base/base64url.ts";
import { utf8 } from "../../../base/bytes.ts";
import type { TtunError } from "../../../base/errors.ts";
import { bytesField, type Fields, listField, numberField, readFields, textField } from "./json.ts";
import { refusalOf } from "./refusal.ts";

/** All that a node has from its cluster. */
export interface Membership {
  /** In DER. */
  readonly certificate: Uint8Array;
  /** 16 bytes. */
  readonly cluster: Uint8Array;
  /** Counts the changes of authorities and secrets. */
  readonly generation: number;
  /** Public keys of the authorities that are trusted. */
  readonly authorities: readonly Uint8Array[];
  /** Secrets of links; the first one is for new ones, all are accepted. */
  readonly secrets: readonly Uint8Array[];
  /** Key of the positions on the ring (32 bytes). */
  readonly placement: Uint8Array;
  /** Where the node with the authority's key takes requests: HOST:PORT. */
  readonly core: string;
  /** Where other nodes are: HOST:PORT. */
  readonly peers: readonly string[];
}

const WHAT = "the answer to a request to join";

/** `openBits`: of the work for a certificate without an invite; null = there is none without. */
export function encodeNonce(nonce: Uint8Array, openBits: number | null = null): Uint8Array {
  const open = openBits === null ? {} : { open: openBits };
  return utf8(JSON.stringify({ nonce: encodeBase64Url(nonce), ...open }));
}

/** Reads the work for a certificate without an invite; null = there is none. @throws {ProtocolError} */
export function decodeOpenBits(bytes: Uint8Array): number | null {
  const fields = readFields(bytes, WHAT);
  return fields["open"] === undefined ? null : numberField(fields, "open", WHAT);
}

/** @throws {ProtocolError} */
export function decodeNonce(bytes: Uint8Array): Uint8Array {
  const fields = readFields(bytes, WHAT);
  return bytesField(fields, "nonce", WHAT, 32);
}

export function encodeMembership(m: Membership): Uint8Array {
  const all = (list: readonly Uint8Array[]) => list.map(encodeBase64Url);
  return utf8(JSON.stringify({
    certificate: encodeBase64Url(m.certificate),
    cluster: encodeBase64Url(m.cluster),
    generation: m.generation,
    authorities: all(m.authorities),
    secrets: all(m.secrets),
    placement: encodeBase64Url(m.placement),
    core: m.core,
    peers: m.peers,
  }));
}

/** All that an agent, or a node's gateway, has from the cluster: no secret. */
export interface Certified {
  /** In DER. */
  readonly certificate: Uint8Array;
  /** Of a gateway: the certificate of the authority for visitors, which has issued it; else null. */
  readonly issuer: Uint8Array | null;
  /** 16 bytes. */
  readonly cluster: Uint8Array;
  /** Public keys of the authorities that are trusted. */
  readonly authorities: readonly Uint8Array[];
}

export function encodeCertified(
  { certificate, issuer, cluster, authorities }: Certified,
): Uint8Array {
  return utf8(JSON.stringify({
    certificate: encodeBase64Url(certificate),
    ...(issuer !== null && { issuer: encodeBase64Url(issuer) }),
    cluster: encodeBase64Url(cluster),
    authorities: authorities.map(encodeBase64Url),
  }));
}

/** @throws {TtunError} of the listener's, and ProtocolError */
export function decodeCertified(bytes: Uint8Array): Certified {
  const fields = readAnswer(bytes);
  return {
    certificate: bytesField(fields, "certificate", WHAT),
    issuer: fields["issuer"] === undefined ? null : bytesField(fields, "issuer", WHAT),
    cluster: bytesField(fields, "cluster", WHAT, 16),
    authorities: listField(fields, "authorities", WHAT, keyOf),
  };
}

/** Writes the answer to a node that wants an invite. */
export function encodeInvited(invite: string): Uint8Array {
  return utf8(JSON.stringify({ invite }));
}

/** @throws {TtunError} of the other node's, and ProtocolError */
export function decodeInvited(bytes: Uint8Array): string {
  const fields = readAnswer(bytes);
  return textField(fields, "invite", WHAT);
}

/** The listener's refusal, in words that the user reads. */
export function encodeRefusal({ kind, message }: Pick<TtunError, "kind" | "message">): Uint8Array {
  return utf8(JSON.stringify({ kind, message: message.slice(0, 500) }));
}

/** @throws {TtunError} of the listener's, and ProtocolError */
export function decodeMembership(bytes: Uint8Array): Membership {
  const fields = readAnswer(bytes);
  return {
    certificate: bytesField(fields, "certificate", WHAT),
    cluster: bytesField(fields, "cluster", WHAT, 16),
    generation: numberField(fields, "generation", WHAT),
    authorities: listField(fields, "authorities", WHAT, keyOf),
    secrets: listField(fields, "secrets", WHAT, keyOf),
    placement: bytesField(fields, "placement", WHAT, 32),
    core: textField(fields, "core", WHAT),
    peers: listField(fields, "peers", WHAT, (item) => typeof item === "string" ? item : null),
  };
}

/** @throws {TtunError} of the other node's, and ProtocolError */
function readAnswer(bytes: Uint8Array): Fields {
  const fields = readFields(bytes, WHAT);
  if (fields["message"] === undefined) return fields;
  throw refusalOf(textField(fields, "kind", WHAT), textField(fields, "message", WHAT));
}

function keyOf(item: unknown): Uint8Array | null {
  const bytes = typeof item === "string" ? decodeBase64Url(item) : null;
  return bytes?.length === 32 ? bytes : null;
}
