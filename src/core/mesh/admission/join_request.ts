import { encodeBase64Url } from "../../../base/base64url.ts";
import { concat, utf8 } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import type { Signer, VerifySignature } from "../../../contract/signature.ts";
import { bytesField, listField, readFields, textField } from "./json.ts";
import { NODE_ROLES, type NodeRole } from "../descriptor.ts";
import { isPlaceName } from "./node_certificate.ts";

/** Name in ALPN of the connections on which nodes join and renew their certificates. */
export const JOIN_PROTOCOL = "ttun-mesh-join/1";

export const NONCE_SIZE = 32;

/** Bytes of the longest message. */
export const MAX_JOIN_MESSAGE = 64 * 1024;

/** The wish of a machine to become a node. */
export interface JoinRequest {
  readonly kind: "join";
  /** Id of the invite. */
  readonly invite: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly host: string;
  readonly zone: string;
  readonly roles: readonly NodeRole[];
  /** Where other nodes reach it: HOST:PORT. */
  readonly address: string;
  /** Where other machines that join will reach it: HOST:PORT. */
  readonly joinAt: string;
}

/** The wish of a node for another certificate and all that the cluster has changed. */
export interface RenewRequest {
  readonly kind: "renew";
  /** The one that it has, in DER. */
  readonly certificate: Uint8Array;
}

/** The wish of a machine to publish services, as an agent. */
export interface EnrollRequest {
  readonly kind: "enroll";
  /** Id of the invite. */
  readonly invite: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** The wish of a machine without an invite, in a mesh that takes such (open_work.ts). */
export interface OpenRequest {
  readonly kind: "enroll-open";
  readonly publicKey: Uint8Array;
  readonly work: Uint8Array;
}

/** The wish of an agent for another certificate. */
export interface RenewAgentRequest {
  readonly kind: "renew-agent";
  /** The one that it has, in DER. */
  readonly certificate: Uint8Array;
}

/** The wish of a node for a certificate that its gateway shows to visitors and agents. */
export interface CertifyRequest {
  readonly kind: "certify";
  /** The node's own, in DER. */
  readonly certificate: Uint8Array;
  /** Of the key that the gateway's certificate is to be for: P-256, 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly apex: string;
}

/** The wish of a node for an invite, which one without the role core cannot make itself. */
export interface InviteRequest {
  readonly kind: "invite";
  /** The node's own, in DER. */
  readonly certificate: Uint8Array;
  /** JSON, as the node's API takes it. */
  readonly wish: Uint8Array;
}

export type AdmissionRequest =
  | JoinRequest
  | RenewRequest
  | EnrollRequest
  | OpenRequest
  | RenewAgentRequest
  | CertifyRequest
  | InviteRequest;

/** A request as it was signed. */
export interface SignedRequest {
  readonly request: AdmissionRequest;
  /** The bytes that the signatures are over, with the nonce of the connection. */
  readonly signed: Uint8Array;
  /** By the node's key. */
  readonly byNode: Uint8Array;
  /** By the invite's token; absent where there is none. */
  readonly byToken: Uint8Array | null;
}

const WHAT = "a request to join";

/** Writes a request for the connection with that nonce, which the listener has chosen. */
export function encodeRequest(
  request: AdmissionRequest,
  nonce: Uint8Array,
  node: Signer,
  token: Signer | null,
): Uint8Array {
  const text = utf8(JSON.stringify(
    request,
    (_, value) => value instanceof Uint8Array ? encodeBase64Url(value) : value,
  ));
  const signed = messageOf(nonce, text);
  return utf8(JSON.stringify({
    request: encodeBase64Url(text),
    byNode: encodeBase64Url(node.sign(signed)),
    ...(token !== null && { byToken: encodeBase64Url(token.sign(signed)) }),
  }));
}

/** Reads a request; whose signatures it has is not checked. @throws {ProtocolError} */
export function decodeRequest(bytes: Uint8Array, nonce: Uint8Array): SignedRequest {
  const outer = readFields(bytes, WHAT);
  const text = bytesField(outer, "request", WHAT);
  const fields = readFields(text, WHAT);
  return {
    request: readRequest(fields),
    signed: messageOf(nonce, text),
    byNode: bytesField(outer, "byNode", WHAT, 64),
    byToken: outer["byToken"] === undefined ? null : bytesField(outer, "byToken", WHAT, 64),
  };
}

function readRequest(fields: Readonly<Record<string, unknown>>): AdmissionRequest {
  const certificate = () => bytesField(fields, "certificate", WHAT);
  const publicKey = () => bytesField(fields, "publicKey", WHAT, 32);
  const invite = () => bytesField(fields, "invite", WHAT, 8);
  switch (fields["kind"]) {
    case "renew":
    case "renew-agent":
      return { kind: fields["kind"], certificate: certificate() };
    case "enroll":
      return { kind: "enroll", invite: invite(), publicKey: publicKey() };
    case "enroll-open":
      return {
        kind: "enroll-open",
        publicKey: publicKey(),
        work: bytesField(fields, "work", WHAT),
      };
    case "invite": {
      const wish = bytesField(fields, "wish", WHAT);
      return { kind: "invite", certificate: certificate(), wish };
    }
    case "certify": {
      const apex = textField(fields, "apex", WHAT, 253);
      const key = bytesField(fields, "publicKey", WHAT, 65);
      return { kind: "certify", certificate: certificate(), publicKey: key, apex };
    }
    case "join":
      return readJoin(fields);
    default:
      throw new ProtocolError(`Cannot read ${WHAT}: its kind is unknown`);
  }
}

function readJoin(fields: Readonly<Record<string, unknown>>): JoinRequest {
  const [host, zone] = [textField(fields, "host", WHAT), textField(fields, "zone", WHAT)];
  if (!isPlaceName(host) || (zone !== "" && !isPlaceName(zone))) {
    throw new ProtocolError(`Cannot read ${WHAT}: its host or zone is no name`);
  }
  const roles = listField(
    fields,
    "roles",
    WHAT,
    (item) => NODE_ROLES.find((role) => role === item) ?? null,
  );
  return {
    kind: "join",
    invite: bytesField(fields, "invite", WHAT, 8),
    publicKey: bytesField(fields, "publicKey", WHAT, 32),
    host,
    zone,
    roles: NODE_ROLES.filter((role) => roles.includes(role)),
    address: textField(fields, "address", WHAT, 300),
    joinAt: textField(fields, "joinAt", WHAT, 300),
  };
}

/** `key`: the public key that must have signed. @throws {TtunError} auth */
export function requireSignature(
  { signed }: SignedRequest,
  signature: Uint8Array | null,
  key: Uint8Array,
  verify: VerifySignature,
): void {
  if (signature !== null && verify(key, signed, signature)) return;
  throw new TtunError("auth", "Cannot let it in: its request has a wrong signature");
}

function messageOf(nonce: Uint8Array, text: Uint8Array): Uint8Array {
  return concat(utf8("ttun mesh join\0"), nonce, text);
}
