import { parseHostPort } from "../../../base/addr.ts";
import { toHex } from "../../../base/bytes.ts";
import { toTtunError, TtunError } from "../../../base/errors.ts";
import type { RateLimitedLog } from "../../../base/rate_limited_log.ts";
import type { Rng } from "../../../contract/host.ts";
import type { MeshStore } from "../../../contract/mesh_store.ts";
import type { EcdsaSigner, Signer, VerifySignature } from "../../../contract/signature.ts";
import {
  AGENT_LIFETIME,
  type AgentFacts,
  issueAgentCertificate,
  verifyAgentCertificate,
} from "../../../core/mesh/admission/agent_certificate.ts";
import { agentKey, decodeAgent, encodeAgent } from "../../../core/mesh/admission/agent_record.ts";
import {
  issueGatewayCertificate,
  webAuthorityCertificate,
  webAuthoritySeed,
} from "../../../core/mesh/admission/gateway_certificate.ts";
import {
  decodeInviteRecord,
  encodeInviteRecord,
  inviteKey,
  type InviteRecord,
  useInvite,
} from "../../../core/mesh/admission/invite_record.ts";
import {
  type Certified,
  encodeCertified,
  encodeInvited,
  encodeMembership,
  encodeRefusal,
  type Membership,
} from "../../../core/mesh/admission/join_answer.ts";
import {
  type CertifyRequest,
  decodeRequest,
  type EnrollRequest,
  type InviteRequest,
  type JoinRequest,
  type OpenRequest,
  requireSignature,
  type SignedRequest,
} from "../../../core/mesh/admission/join_request.ts";
import {
  decodeMember,
  encodeMember,
  type Member,
  memberKey,
  MEMBERS,
} from "../../../core/mesh/admission/member.ts";
import {
  issueNodeCertificate,
  type NodeFacts,
  requireRole,
  shortId,
  verifyNodeCertificate,
} from "../../../core/mesh/admission/node_certificate.ts";
import { revocationKey } from "../../../core/mesh/admission/revocations.ts";
import { isWorkDone } from "../../../core/mesh/admission/open_work.ts";
import { ANY } from "../../../core/gateway/agent_names.ts";
import { nodeIdOf } from "../../../core/mesh/node_id.ts";
import { makeInvite } from "./invites.ts";

/** How often a lost race for an invite is tried again. */
const TRIES = 5;

/** Most other nodes that a new one is told of. */
const MOST_PEERS = 16;

/** Machines a minute that enroll without an invite. */
const MOST_OPENS = 30;

/** Stands for the inviter of one in its record. */
const OPEN = "open";

/** Rights of one: nothing that a port scanner, or whoever sends spam, has a use for. */
const OPEN_GRANT = { names: [ANY], quota: 3, kinds: ["http", "tls", "link"] } as const;

/** Secrets and keys that all nodes of the cluster have, as the node with the authority's key knows it. */
export type ClusterSecrets = Omit<Membership, "certificate" | "peers">;

export interface AdmissionOptions {
  readonly store: MeshStore;
  readonly cluster: () => ClusterSecrets;
  /** The authority that signs new certificates. */
  readonly authority: () => Signer;
  /** `seed`: 32 secret bytes. */
  readonly ecdsaSigner: (seed: Uint8Array) => EcdsaSigner;
  /** Returns the domain whose gateways get certificates; null = there is none. */
  readonly apex: () => string | null;
  /** Makes the signer of 32 secret bytes. */
  readonly signerOf: (seed: Uint8Array) => Signer;
  /** Machines without an invite may enroll, for their work. */
  readonly isOpen: boolean;
  /** True if nodes with the role core alone may invite. */
  readonly isInviteOfCores: boolean;
  readonly verify: VerifySignature;
  readonly rng: Rng;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Pick<RateLimitedLog, "info" | "warn">;
}

/** Lets machines with an invite become nodes, and renews the certificates of those that are. */
export class Admission {
  readonly #o: AdmissionOptions;
  /** Machines that have enrolled without an invite in a minute. */
  #opens = { minute: 0, count: 0 };
  /** The last invite of each node, which the next one waits for: both count. */
  readonly #inviting = new Map<string, Promise<unknown>>();

  constructor(o: AdmissionOptions) {
    this.#o = o;
  }

  /** Returns the answer to a request on the connection with that nonce: a refusal also in case of failure. */
  async answer(request: Uint8Array, nonce: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    try {
      return await this.#answer(decodeRequest(request, nonce), nonce, signal);
    } catch (error) {
      const { kind, message } = toTtunError(error);
      this.#o.log.warn("Refused a node", { why: message });
      return encodeRefusal(
        kind === "internal"
          ? new TtunError("system", "The node could not answer")
          : { kind, message },
      );
    }
  }

  async #answer(
    signed: SignedRequest,
    nonce: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { request } = signed;
    switch (request.kind) {
      case "join": {
        const wish = { ...request, nodeId: nodeIdOf(request.publicKey) };
        const { by } = await this.#useInvite(request, wish, signed, signal);
        return encodeMembership(await this.#admit({ ...wish, by }, signal));
      }
      case "renew":
        return encodeMembership(
          await this.#admit(this.#renewed(request.certificate, signed), signal),
        );
      case "enroll":
      case "enroll-open":
      case "renew-agent": {
        const agent = request.kind === "enroll"
          ? await this.#enroll(request, signed, signal)
          : request.kind === "enroll-open"
          ? this.#enrollOpen(request, signed, nonce)
          : this.#knownAgent(request.certificate, signed);
        const certificate = await this.#certifyAgent(agent, signal);
        return encodeCertified({ ...this.#o.cluster(), certificate, issuer: null });
      }
      case "invite":
        return encodeInvited(await this.#invite(request, signed, signal));
      case "certify":
        return encodeCertified({
          ...this.#o.cluster(),
          ...this.#certifyGateway(request, signed),
        });
    }
  }

  /** Keeps the record of the node itself, which the cluster began with. */
  async registerSelf(
    facts: NodeFacts,
    { address, joinAt }: Pick<Member, "address" | "joinAt">,
    signal: AbortSignal,
  ): Promise<void> {
    const { host, zone, roles, notAfter } = facts;
    const { generation } = this.#o.cluster();
    const { store } = this.#o;
    const key = memberKey(facts.nodeId);
    const known = await store.get(key, { signal });
    const by = known === null ? "" : decodeMember(known.value).by;
    const member: Member = { host, zone, roles, address, joinAt, notAfter, generation, by };
    await store.put(key, encodeMember(member), { signal });
  }

  /** Marks the invite as used before anything is given away, and returns its record. */
  async #useInvite(
    { invite, publicKey, kind }: JoinRequest | EnrollRequest,
    wish: Parameters<typeof useInvite>[1],
    signed: SignedRequest,
    signal: AbortSignal,
  ): Promise<InviteRecord> {
    const { store, verify, now } = this.#o;
    const key = inviteKey(invite);
    for (let tries = 0; tries < TRIES; tries++) {
      const entry = await store.get(key, { signal });
      if (entry === null) throw unknownInvite();
      const record = decodeInviteRecord(entry.value);
      requireSignature(signed, signed.byToken, record.publicKey, verify);
      requireSignature(signed, signed.byNode, publicKey, verify);
      requireKind(record, kind);
      const used = useInvite(record, wish, now());
      if (used === record) return record;
      const written = await store.put(key, encodeInviteRecord(used), {
        signal,
        if: entry.version,
        ttlMs: Math.max(1000, record.expires - now()),
      });
      if (written.ok) return record;
    }
    throw new TtunError("busy", "Cannot join now: others use this invite too; try again");
  }

  async #enroll(
    request: EnrollRequest,
    signed: SignedRequest,
    signal: AbortSignal,
  ): Promise<AgentWish> {
    const { publicKey } = request;
    const wish = { nodeId: nodeIdOf(publicKey), host: "", roles: [] };
    const { agent, by } = await this.#useInvite(request, wish, signed, signal);
    return { ...agent!, publicKey, agentId: wish.nodeId, by };
  }

  /** @throws {TtunError} auth, busy */
  #enrollOpen(request: OpenRequest, signed: SignedRequest, nonce: Uint8Array): AgentWish {
    const { isOpen, verify, now } = this.#o;
    const { publicKey, work } = request;
    if (!isOpen) {
      throw new TtunError(
        "auth",
        "Cannot enroll without an invite: the node with the authority's key has no --open",
      );
    }
    if (!isWorkDone(work, { nonce, publicKey })) {
      throw new TtunError("auth", "Cannot enroll without an invite: the work is not done");
    }
    requireSignature(signed, signed.byNode, publicKey, verify);
    const minute = Math.floor(now() / 60_000);
    if (this.#opens.minute !== minute) this.#opens = { minute, count: 0 };
    if (++this.#opens.count > MOST_OPENS) {
      throw new TtunError("busy", "Cannot enroll now: others do so too; try again in a minute");
    }
    return { ...OPEN_GRANT, publicKey, agentId: nodeIdOf(publicKey), by: OPEN };
  }

  #knownAgent(certificate: Uint8Array, signed: SignedRequest): AgentWish {
    const { authorities } = this.#o.cluster();
    const { verify, now } = this.#o;
    const facts = verifyAgentCertificate(certificate, { authorities, verify }, now());
    requireSignature(signed, signed.byNode, facts.publicKey, verify);
    return { ...facts, by: null };
  }

  async #certifyAgent(wish: AgentWish, signal: AbortSignal): Promise<Uint8Array> {
    const { store, authority, rng, now, log } = this.#o;
    if (await store.get(revocationKey(wish.agentId), { signal }) !== null) {
      throw new TtunError("auth", "Cannot certify the agent: it was revoked");
    }
    const { names, quota, kinds } = wish;
    const key = agentKey(wish.agentId);
    const known = wish.by === null ? await store.get(key, { signal }) : null;
    const by = wish.by ?? (known === null ? "" : decodeAgent(known.value).by);
    await store.put(key, encodeAgent({ names, quota, kinds, renewed: now(), by }), {
      signal,
      // Whoever needs no invite must not fill the store.
      ...(by === OPEN && { ttlMs: 2 * AGENT_LIFETIME }),
    });
    log.info("An agent has a new certificate", { agent: shortId(wish.agentId) });
    return issueAgentCertificate(wish, {
      authority: authority(),
      serial: rng(16),
      nowMs: now(),
    });
  }

  async #invite(
    { certificate, wish }: InviteRequest,
    signed: SignedRequest,
    signal: AbortSignal,
  ): Promise<string> {
    const { store, cluster, verify, now, rng, signerOf, isInviteOfCores } = this.#o;
    const { authorities } = cluster();
    const facts = verifyNodeCertificate(certificate, { authorities, verify }, now());
    requireSignature(signed, signed.byNode, facts.publicKey, verify);
    await this.#requireNotRevoked(facts.nodeId, signal);
    const isCore = facts.roles.includes("core");
    if (isInviteOfCores && !isCore) {
      throw new TtunError(
        "auth",
        "Cannot invite at this node: nodes with the role core alone may do so in this cluster",
      );
    }
    const entry = await store.get(memberKey(facts.nodeId), { signal });
    const joinAt = entry === null ? "" : decodeMember(entry.value).joinAt;
    const node = toHex(facts.nodeId);
    const tools = {
      ...{ store, rng, now, signerOf },
      authority: () => authorities[0]!,
      joinAt: () => joinAt === "" ? null : parseHostPort(joinAt),
      by: { node, roles: isCore ? null : facts.roles },
    };
    return await this.#inTurn(node, () => makeInvite(wish, tools, signal));
  }

  async #inTurn<T>(node: string, run: () => Promise<T>): Promise<T> {
    const mine = (this.#inviting.get(node) ?? Promise.resolve()).then(run);
    const over = mine.catch(() => {}); // whoever asked for it is told
    this.#inviting.set(node, over);
    try {
      return await mine;
    } finally {
      if (this.#inviting.get(node) === over) this.#inviting.delete(node);
    }
  }

  async #requireNotRevoked(nodeId: Uint8Array, signal: AbortSignal): Promise<void> {
    if (await this.#o.store.get(revocationKey(nodeId), { signal }) === null) return;
    throw new TtunError("auth", "Cannot let the node in: it was revoked");
  }

  /** A node with the role may have a certificate for the cluster's own apex alone. */
  #certifyGateway(
    { certificate, publicKey, apex }: CertifyRequest,
    signed: SignedRequest,
  ): Pick<Certified, "certificate" | "issuer"> {
    const { cluster, verify, now, authority, ecdsaSigner, rng } = this.#o;
    const { authorities } = cluster();
    const facts = verifyNodeCertificate(certificate, { authorities, verify }, now());
    requireSignature(signed, signed.byNode, facts.publicKey, verify);
    requireRole(facts, "gateway");
    const own = this.#o.apex();
    if (own !== apex) {
      throw new TtunError(
        "auth",
        `Cannot certify ${apex}: start the node with the authority's key with --apex ${apex} as well`,
      );
    }
    const web = ecdsaSigner(webAuthoritySeed(authority()));
    const o = { web, serial: rng(16), nowMs: now() };
    return {
      certificate: issueGatewayCertificate({ publicKey, apex }, o),
      issuer: webAuthorityCertificate(web, authority()),
    };
  }

  #renewed(certificate: Uint8Array, signed: SignedRequest): Wish {
    const { authorities } = this.#o.cluster();
    const { verify, now } = this.#o;
    const facts = verifyNodeCertificate(certificate, { authorities, verify }, now());
    requireSignature(signed, signed.byNode, facts.publicKey, verify);
    return { ...facts, address: null, joinAt: null, by: null };
  }

  async #admit(wish: Wish, signal: AbortSignal): Promise<Membership> {
    const { store, authority, rng, now, log } = this.#o;
    await this.#requireNotRevoked(wish.nodeId, signal);
    const cluster = this.#o.cluster();
    const certificate = issueNodeCertificate(wish, {
      authority: authority(),
      serial: rng(16),
      nowMs: now(),
    });
    const { authorities } = cluster;
    const { notAfter } = verifyNodeCertificate(
      certificate,
      { authorities, verify: this.#o.verify },
      now(),
    );
    const peers = await this.#members(signal);
    const { host, zone, roles } = wish;
    const known = peers.find(({ key }) => key === memberKey(wish.nodeId))?.member;
    const member: Member = {
      host,
      zone,
      roles,
      address: wish.address ?? known?.address ?? "",
      joinAt: wish.joinAt ?? known?.joinAt ?? "",
      notAfter,
      generation: cluster.generation,
      by: wish.by ?? known?.by ?? "",
    };
    await store.put(memberKey(wish.nodeId), encodeMember(member), { signal });
    log.info(known === undefined ? "A node has joined" : "A node has a new certificate", {
      node: shortId(wish.nodeId),
      host,
    });
    const addresses = peers.map(({ member: { address } }) => address)
      .filter((address) => address !== "" && address !== member.address);
    return { ...cluster, certificate, peers: addresses.slice(0, MOST_PEERS) };
  }

  async #members(signal: AbortSignal): Promise<KnownMember[]> {
    const found: KnownMember[] = [];
    let after: string | undefined;
    do {
      const page = await this.#o.store.list(MEMBERS, {
        signal,
        limit: 500,
        ...(after !== undefined && { after }),
      });
      found.push(...page.entries.map((entry) => ({
        key: entry.key,
        member: decodeMember(entry.value),
      })));
      after = page.next;
    } while (after !== undefined);
    return found;
  }
}

type Wish = Pick<NodeFacts, "nodeId" | "publicKey" | "roles" | "host" | "zone"> & {
  /** Null = it stays what it was. */
  readonly address: string | null;
  readonly joinAt: string | null;
  /** Id (hex) of the node whose invite was used. */
  readonly by: string | null;
};

type AgentWish = Pick<AgentFacts, "agentId" | "publicKey" | "names" | "quota" | "kinds"> & {
  /** Id (hex) of the node whose invite was used; null = it stays what it was. */
  readonly by: string | null;
};

/** An invite of a node is none of an agent's, and the other way round. @throws {TtunError} auth */
function requireKind({ agent }: InviteRecord, kind: "join" | "enroll"): void {
  if ((agent === null) === (kind === "join")) return;
  throw new TtunError(
    "auth",
    agent === null
      ? "Cannot enroll by this invite: it is for a node; ttun mesh invite --names makes one for agents"
      : "Cannot join by this invite: it is for an agent; use it with ttun mesh enroll",
  );
}

function unknownInvite(): TtunError {
  return new TtunError(
    "auth",
    "Cannot join by this invite: the cluster does not know it, or it has expired; ttun mesh invite " +
      "makes another",
  );
}

interface KnownMember {
  readonly key: string;
  readonly member: Member;
}
