import { toHex } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import type { Signer, VerifySignature } from "../../../contract/signature.ts";
import { type Certificate, encodeCertificate, parseCertificate } from "../../x509/certificate.ts";
import { NODE_ROLES, type NodeRole } from "../descriptor.ts";
import { nodeIdOf } from "../node_id.ts";
import { authorityName } from "./authority.ts";
import { encodeBase32 } from "./base32.ts";

/** The facts of a node that its certificate proves. */
export interface NodeFacts {
  /** 32 bytes, from its public key. */
  readonly nodeId: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly roles: readonly NodeRole[];
  /** Copies of a record go to nodes of different hosts. */
  readonly host: string;
  /** "" = none. */
  readonly zone: string;
  /** Milliseconds of wall-clock time. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Milliseconds that a certificate holds. */
export const MAX_LIFETIME = 30 * 24 * 3600_000;

/** Milliseconds that clocks of nodes may differ. */
const SKEW = 120_000;

/** Names of hosts and zones. */
const PLACE = /^[A-Za-z0-9._-]{1,64}$/;

const PREFIX = "ttun-mesh:";

export function isPlaceName(text: string): boolean {
  return PLACE.test(text);
}

/** Returns the DNS name of a node, which no public authority certifies (RFC 6761 section 6.4). */
export function nodeName(nodeId: Uint8Array): string {
  return `${encodeBase32(nodeId)}.node.invalid`;
}

/** The DNS name of any node, for an end that knows the cluster alone. */
export const ANY_NODE_NAME = "any.node.invalid";

export interface IssueOptions {
  readonly authority: Signer;
  /** 16 random bytes. */
  readonly serial: Uint8Array;
  /** Wall-clock time. */
  readonly nowMs: number;
  /** Milliseconds; never more than `MAX_LIFETIME`. */
  readonly lifetimeMs?: number;
}

/** Issues the certificate of a node. */
export function issueNodeCertificate(
  { publicKey, roles, host, zone }: Pick<NodeFacts, "publicKey" | "roles" | "host" | "zone">,
  { authority, serial, nowMs, lifetimeMs = MAX_LIFETIME }: IssueOptions,
): Uint8Array {
  if (!isPlaceName(host) || (zone !== "" && !isPlaceName(zone))) {
    throw new TtunError("usage", "Cannot certify a node: its host or zone is no name");
  }
  const now = Math.floor(nowMs / 1000) * 1000;
  const nodeId = nodeIdOf(publicKey);
  return encodeCertificate({
    serial,
    issuer: authorityName(authority.publicKey),
    subject: `ttun mesh node ${encodeBase32(nodeId).slice(0, 16)}`,
    notBefore: now - SKEW,
    notAfter: now + Math.min(lifetimeMs, MAX_LIFETIME),
    publicKey,
    isAuthority: false,
    dnsNames: [nodeName(nodeId), ANY_NODE_NAME],
    uris: [
      ...roles.map((role) => `${PREFIX}role/${role}`),
      `${PREFIX}host/${host}`,
      ...(zone === "" ? [] : [`${PREFIX}zone/${zone}`]),
    ],
  }, (message) => authority.sign(message));
}

export interface Trust {
  /** Public keys of the cluster's authorities: two while one takes the other's place. */
  readonly authorities: readonly Uint8Array[];
  readonly verify: VerifySignature;
}

/**
 * Checks that one of the cluster's authorities has issued the certificate, for the time that it is.
 * @throws {TtunError} auth, and ProtocolError for bytes that are no certificate
 */
export function verifyNodeCertificate(
  der: Uint8Array,
  trust: Trust,
  nowMs: number,
): NodeFacts {
  const certificate = parseCertificate(der);
  const isOurs = trust.authorities.some((authority) =>
    certificate.issuer === authorityName(authority) &&
    trust.verify(authority, certificate.signed, certificate.signature)
  );
  if (!isOurs) throw refusal("its certificate is not by this cluster's authority");
  const { notBefore, notAfter } = certificate;
  if (nowMs >= notAfter) throw refusal("its certificate has expired");
  if (nowMs < notBefore) {
    throw new TtunError(
      "clock",
      "Cannot trust the node: its certificate is from the future; set both clocks",
    );
  }
  if (certificate.isAuthority) throw refusal("its certificate is an authority's");
  if (notAfter - notBefore > MAX_LIFETIME + SKEW) throw refusal("its certificate holds too long");
  return factsOf(certificate);
}

/** Reads the facts of a certificate whose issuer is trusted. @throws {TtunError} auth */
function factsOf({ publicKey, dnsNames, uris, notBefore, notAfter }: Certificate): NodeFacts {
  const nodeId = nodeIdOf(publicKey);
  const [host, ...otherHosts] = valuesOf(uris, "host");
  const [zone = "", ...otherZones] = valuesOf(uris, "zone");
  const isComplete = host !== undefined && isPlaceName(host) && otherHosts.length === 0 &&
    (zone === "" || isPlaceName(zone)) && otherZones.length === 0;
  const names = [nodeName(nodeId), ANY_NODE_NAME];
  if (!isComplete || dnsNames.join() !== names.join()) {
    throw refusal("its certificate is no node's");
  }
  // A role of a later version is none here.
  const roles = NODE_ROLES.filter((role) => uris.includes(`${PREFIX}role/${role}`));
  return { nodeId, publicKey, roles, host, zone, notBefore, notAfter };
}

function valuesOf(uris: readonly string[], kind: string): string[] {
  const start = `${PREFIX}${kind}/`;
  return uris.filter((uri) => uri.startsWith(start)).map((uri) => uri.slice(start.length));
}

/** @throws {TtunError} auth, if the node has not that role */
export function requireRole({ roles, nodeId }: NodeFacts, role: NodeRole): void {
  if (roles.includes(role)) return;
  throw refusal(`${shortId(nodeId)} has not the role ${role}`);
}

/** Returns the beginning of a node's id, for logs. */
export function shortId(nodeId: Uint8Array): string {
  return toHex(nodeId.subarray(0, 6));
}

/** Returns the time from which a node asks for another certificate: when a third of it is left. */
export function renewalTime({ notBefore, notAfter }: NodeFacts): number {
  return notAfter - (notAfter - notBefore) / 3;
}

function refusal(why: string): TtunError {
  return new TtunError("auth", `Cannot trust the node: ${why}`);
}
