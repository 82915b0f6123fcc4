import { parseHostPort } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Signer } from "../../contract/signature.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import { encodeAdmission } from "../../core/mesh/admission/admission_message.ts";
import { decodeMembership, type Membership } from "../../core/mesh/admission/join_answer.ts";
import { encodeRequest, NONCE_SIZE } from "../../core/mesh/admission/join_request.ts";
import { trustAnchor } from "../../core/mesh/admission/authority.ts";
import {
  issueNodeCertificate,
  type NodeFacts,
  renewalTime,
  verifyNodeCertificate,
} from "../../core/mesh/admission/node_certificate.ts";
import {
  type ClusterKeys,
  rotated,
  rotationPhase,
  type RotationStep,
} from "../../core/mesh/admission/rotation.ts";
import { parseCertificate } from "../../core/x509/certificate.ts";
import type { NodeRole } from "../../core/mesh/descriptor.ts";
import { nodeIdOf } from "../../core/mesh/node_id.ts";
import { ed25519Signer, verifyEd25519 } from "../../io/crypto/ed25519.ts";
import { rng } from "../platform/rng.ts";
import { askCluster } from "./ask_cluster.ts";
import type { KeptKeys } from "./kept_keys.ts";
import { keepNode, keepWebAuthority, type NodeState, removeKeys } from "./node_folder.ts";

/** Passes a request on to the node with the authority's key. @throws {MeshError} unavailable */
export type PassOn = (body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

/** A running node's key, certificate and secrets, which change while it runs, also in its folder. */
export class HeldNode {
  readonly signer: Signer;
  readonly #folder: string;
  readonly #onChange: () => void;
  #state: NodeState;
  #facts: NodeFacts;
  #authority: Signer | null;
  readonly #wanted: readonly NodeRole[] | null;
  /** The authority's keys are kept there, and in no file of this node's. */
  #kept: KeptKeys | null = null;

  /**
   * `roles`: those that the node takes of its certificate's; null = all. `onChange`: there is another
   * certificate.
   * @throws {TtunError} auth, if the certificate has expired and another node has the authority's key;
   * usage, for a role that the certificate does not have
   */
  constructor(
    folder: string,
    { state, roles }: { readonly state: NodeState; readonly roles: readonly NodeRole[] | null },
    onChange: () => void,
  ) {
    this.#folder = folder;
    this.#wanted = roles;
    this.#onChange = onChange;
    this.signer = ed25519Signer(state.seed);
    this.#state = state;
    this.#authority = state.authoritySeed === null ? null : ed25519Signer(state.authoritySeed);
    if (this.#authority !== null && !this.#isGood()) {
      const facts = { ...state.facts, publicKey: this.signer.publicKey };
      this.#keep({ ...state, certificate: this.#issue(facts, this.#authority) });
    }
    if (Date.now() >= parseCertificate(this.#state.certificate).notAfter) {
      throw new TtunError(
        "auth",
        "Cannot run this node: its certificate has expired while it was off; have ttun mesh invite " +
          "print an invite on another node, and run ttun mesh join here",
      );
    }
    this.#facts = this.#verified();
    const other = roles?.find((role) => !this.#facts.roles.includes(role));
    if (other === undefined) return;
    throw new TtunError(
      "usage",
      `Cannot be ${other}: this node's certificate is for ${
        this.#facts.roles.join(", ")
      } alone, as ` +
        "its invite was; one with more roles joins by another invite, with another --data",
    );
  }

  get state(): NodeState {
    return this.#state;
  }

  get facts(): NodeFacts {
    return this.#facts;
  }

  /** Those that the node takes of its certificate's. */
  get roles(): readonly NodeRole[] {
    return this.#facts.roles.filter((role) => this.#wanted?.includes(role) ?? true);
  }

  /** Null = another node has its key. */
  get authority(): Signer | null {
    return this.#authority;
  }

  /** The certificate is to be renewed, or is not by the authority that signs now. */
  get isOld(): boolean {
    return Date.now() >= renewalTime(this.#facts);
  }

  /**
   * Gets a new certificate, from the node with the authority's key if this is not it. `passOn`: the way
   * there over links. `isStale`: authority and secret were replaced at another node, which has the key
   * too; this node's own counts no more once that one has answered. @throws {TtunError}
   */
  async renew(passOn: PassOn, signal: AbortSignal, { isStale = false } = {}): Promise<void> {
    const state = this.#state;
    const hadKey = this.#authority !== null;
    if (hadKey && !isStale) {
      const there = await this.#kept?.read(signal) ?? null;
      if (there !== null) return this.takeKeys(there.keys);
      this.#change({ ...state, certificate: this.#issue(this.#facts, this.#authority!) });
      return;
    }
    const membership = await this.#ask(passOn, signal);
    const { certificate, authorities, secrets, generation, core, peers } = membership;
    // Nobody but who has the key makes a certificate that the authorities known here have signed.
    const trust = { authorities: hadKey ? state.authorities : authorities, verify: verifyEd25519 };
    const { nodeId } = verifyNodeCertificate(certificate, trust, Date.now());
    const isOurs = toHex(nodeId) === toHex(nodeIdOf(this.signer.publicKey)) &&
      toHex(membership.cluster) === state.facts.cluster;
    if (!isOurs) {
      throw new TtunError("auth", "Cannot renew the certificate: it is for another node");
    }
    if (hadKey && generation <= state.facts.generation) {
      throw new TtunError("auth", "Cannot take the authority's changes: they are not newer");
    }
    const facts = { ...state.facts, generation, core, peers };
    if (hadKey) this.giveUpKeys();
    this.#change({ ...this.#state, certificate, authorities, secrets, facts });
  }

  /** Where no link leads there, the port of those that join may. */
  async #ask(passOn: PassOn, signal: AbortSignal): Promise<Membership> {
    const { certificate, authorities, facts } = this.#state;
    const request = { kind: "renew", certificate } as const;
    const nonce = rng(NONCE_SIZE);
    const signed = encodeRequest(request, nonce, this.signer, null);
    try {
      return decodeMembership(await passOn(encodeAdmission({ nonce, request: signed }), signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MeshError)) throw error;
    }
    const o = { anchors: authorities.map(trustAnchor), node: this.signer, token: null, signal };
    return await askCluster(parseHostPort(facts.core), request, o);
  }

  /** Replaces authority and secret by a step; null = another node has the authority's key. */
  get keys(): ClusterKeys | null {
    const { authorities, secrets, authoritySeed, nextSeed, facts } = this.#state;
    if (authoritySeed === null) return null;
    const isTwice = nextSeed !== null && toHex(nextSeed) === toHex(authoritySeed);
    return {
      generation: facts.generation,
      authorities,
      secrets,
      authoritySeed,
      nextSeed: isTwice || authorities.length < 2 ? null : nextSeed,
    };
  }

  /** @throws {TtunError} usage, if another step comes next; MeshError */
  async rotate(step: RotationStep, signal: AbortSignal): Promise<void> {
    const there = await this.#kept?.read(signal) ?? null;
    const keys = there?.keys ?? this.keys;
    if (keys === null) throw new TtunError("usage", "Cannot rotate here: another node has the key");
    const seed = rng(32);
    const { publicKey } = ed25519Signer(seed);
    const { generation, ...next } = rotated(keys, step, { seed, publicKey, secret: rng(32) });
    if (there !== null) await this.#kept?.write({ generation, ...next }, there.version, signal);
    this.#authority = ed25519Signer(next.authoritySeed);
    const facts = { ...this.#state.facts, generation };
    const certificate = this.#issue(this.#facts, this.#authority);
    this.#change({ ...this.#state, ...next, facts, certificate });
  }

  /**
   * Has the authority's keys from now on: of the core's node before this one.
   * @throws {TtunError} auth, for keys of an authority that is not trusted here, or older than these
   */
  takeKeys(keys: ClusterKeys): void {
    const { authorities, facts } = this.#state;
    const authority = ed25519Signer(keys.authoritySeed);
    const known = new Set(authorities.map(toHex));
    const isOurs = known.has(toHex(authority.publicKey)) && keys.generation >= facts.generation &&
      toHex(keys.authorities[0]!) === toHex(authority.publicKey);
    if (!isOurs) {
      throw new TtunError("auth", "Cannot take the authority's keys: they are not this cluster's");
    }
    const { generation, ...taken } = keys;
    this.#authority = authority;
    const certificate = this.#issue(this.#facts, authority);
    this.#change({ ...this.#state, ...taken, certificate, facts: { ...facts, generation } });
  }

  /**
   * Has the keys in etcd from now on: those that are there, or its own, whose files are removed then.
   * @throws {TtunError} auth, for another passphrase; MeshError
   */
  async keepKeysIn(kept: KeptKeys, signal: AbortSignal): Promise<void> {
    const own = this.keys;
    let there = await kept.read(signal);
    if (own !== null && (there === null || there.keys.generation < own.generation)) {
      await kept.write(own, there?.version ?? "absent", signal);
      there = await kept.read(signal);
    }
    if (there === null) return;
    this.#kept = kept;
    this.takeKeys(there.keys);
    removeKeys(this.#folder);
  }

  /** Another node has the authority's keys. @throws {TtunError} */
  giveUpKeys(): void {
    this.#authority = null;
    this.#state = { ...this.#state, authoritySeed: null, nextSeed: null };
    removeKeys(this.#folder);
  }

  /** Keeps the certificate by which browsers may trust the gateway, for whoever runs the node. */
  keepWebAuthority(certificate: Uint8Array): void {
    keepWebAuthority(this.#folder, certificate);
  }

  get phase(): string {
    return this.keys === null ? "unknown" : rotationPhase(this.keys);
  }

  #change(state: NodeState): void {
    this.#keep(state);
    this.#facts = this.#verified();
    this.#onChange();
  }

  #keep(state: NodeState): void {
    const isKept = this.#kept !== null;
    keepNode(this.#folder, isKept ? { ...state, authoritySeed: null, nextSeed: null } : state);
    this.#state = state;
  }

  #verified(): NodeFacts {
    const { certificate, authorities } = this.#state;
    return verifyNodeCertificate(certificate, { authorities, verify: verifyEd25519 }, Date.now());
  }

  #isGood(): boolean {
    try {
      this.#verified();
      return true;
    } catch (error) {
      if (error instanceof TtunError) return false;
      throw error;
    }
  }

  #issue(
    { publicKey, roles, host, zone }: Pick<NodeFacts, "publicKey" | "roles" | "host" | "zone">,
    authority: Signer,
  ): Uint8Array {
    const o = { authority, serial: rng(16), nowMs: Date.now() };
    return issueNodeCertificate({ publicKey, roles, host, zone }, o);
  }
}
