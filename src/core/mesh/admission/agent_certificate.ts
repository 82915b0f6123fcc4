import { TtunError } from "../../../base/errors.ts";
import { type Certificate, encodeCertificate, parseCertificate } from "../../x509/certificate.ts";
import { ANY, areAgentNames, isQuota } from "../../gateway/agent_names.ts";
import { readServiceKinds, SERVICE_KINDS, type ServiceKind } from "../../gateway/service_kinds.ts";
import { nodeIdOf } from "../node_id.ts";
import { authorityName } from "./authority.ts";
import { encodeBase32 } from "./base32.ts";
import type { IssueOptions, Trust } from "./node_certificate.ts";

/** The facts of an agent, which publishes services, that its certificate proves. */
export interface AgentFacts {
  /** 32 bytes, from its public key. */
  readonly agentId: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Names that it may have; "*" = any that is free. */
  readonly names: readonly string[];
  /** How many names it may have at a time. */
  readonly quota: number;
  /** Kinds of services that it may publish. */
  readonly kinds: readonly ServiceKind[];
  /** Milliseconds of wall-clock time. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Milliseconds that a certificate holds; the agent renews it when a third of that is left. */
export const AGENT_LIFETIME = 7 * 24 * 3600_000;

/** Milliseconds that clocks may differ. */
const SKEW = 120_000;

const PREFIX = "ttun-mesh:";

/** Returns the DNS name of an agent, which no public authority certifies (RFC 6761 section 6.4). */
export function agentName(agentId: Uint8Array): string {
  return `${encodeBase32(agentId)}.agent.invalid`;
}

/** Issues the certificate of an agent. */
export function issueAgentCertificate(
  { publicKey, names, quota, kinds }: Pick<AgentFacts, "publicKey" | "names" | "quota" | "kinds">,
  { authority, serial, nowMs, lifetimeMs = AGENT_LIFETIME }: IssueOptions,
): Uint8Array {
  if (!areAgentNames(names) || !isQuota(quota)) {
    throw new TtunError("usage", "Cannot certify an agent: its names or their number are none");
  }
  const now = Math.floor(nowMs / 1000) * 1000;
  const agentId = nodeIdOf(publicKey);
  return encodeCertificate({
    serial,
    issuer: authorityName(authority.publicKey),
    subject: `ttun mesh agent ${encodeBase32(agentId).slice(0, 16)}`,
    notBefore: now - SKEW,
    notAfter: now + Math.min(lifetimeMs, AGENT_LIFETIME),
    publicKey,
    isAuthority: false,
    dnsNames: [agentName(agentId)],
    uris: [
      ...names.map((name) => `${PREFIX}name/${name === ANY ? "" : name}`),
      `${PREFIX}quota/${quota}`,
      ...kinds.map((kind) => `${PREFIX}kind/${kind}`),
    ],
  }, (message) => authority.sign(message));
}

/**
 * Checks that one of the cluster's authorities has issued the certificate of an agent, for the time
 * that it is. @throws {TtunError} auth, clock, and ProtocolError for bytes that are no certificate
 */
export function verifyAgentCertificate(
  der: Uint8Array,
  { authorities, verify }: Trust,
  nowMs: number,
): AgentFacts {
  const certificate = parseCertificate(der);
  const isOurs = authorities.some((authority) =>
    certificate.issuer === authorityName(authority) &&
    verify(authority, certificate.signed, certificate.signature)
  );
  if (!isOurs) throw refusal("its certificate is not by this cluster's authority");
  const { notBefore, notAfter } = certificate;
  if (nowMs >= notAfter) {
    throw refusal("its certificate has expired; enroll it anew, with another token");
  }
  if (nowMs < notBefore) {
    throw new TtunError(
      "clock",
      "Cannot trust the agent: its certificate is from the future; set both clocks",
    );
  }
  if (certificate.isAuthority || notAfter - notBefore > AGENT_LIFETIME + SKEW) {
    throw refusal("its certificate is no agent's");
  }
  return factsOf(certificate);
}

/** Reads the facts of an agent's own certificate, which it keeps itself. @throws {TtunError} auth */
export function ownAgentFacts(der: Uint8Array): AgentFacts {
  return factsOf(parseCertificate(der));
}

/** Reads the facts of a certificate whose issuer is trusted. @throws {TtunError} auth */
function factsOf({ publicKey, dnsNames, uris, notBefore, notAfter }: Certificate): AgentFacts {
  const agentId = nodeIdOf(publicKey);
  const names = valuesOf(uris, "name").map((name) => name === "" ? ANY : name);
  const [quota = "", ...others] = valuesOf(uris, "quota");
  const written = valuesOf(uris, "kind");
  // Before there were kinds every agent might publish all of them.
  const kinds = written.length === 0 ? SERVICE_KINDS : readServiceKinds(written);
  const isComplete = dnsNames.join() === agentName(agentId) && areAgentNames(names) &&
    others.length === 0 && /^\d{1,4}$/.test(quota) && isQuota(Number(quota));
  if (!isComplete || kinds === null) throw refusal("its certificate is no agent's");
  return { agentId, publicKey, names, quota: Number(quota), kinds, notBefore, notAfter };
}

function valuesOf(uris: readonly string[], kind: string): string[] {
  const start = `${PREFIX}${kind}/`;
  return uris.filter((uri) => uri.startsWith(start)).map((uri) => uri.slice(start.length));
}

/** Returns true if the agent's certificate gives it the name. */
export function mayHaveName({ names }: AgentFacts, name: string): boolean {
  return names.includes(name) || names[0] === ANY;
}

function refusal(why: string): TtunError {
  return new TtunError("auth", `Cannot trust the agent: ${why}`);
}
