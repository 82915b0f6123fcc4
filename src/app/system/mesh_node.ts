import { formatAddr, type HostPort } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { OF_PEERS, RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { MeshError, type MeshStore } from "../../contract/mesh_store.ts";
import type { EcdsaSigner, Signer, VerifySignature } from "../../contract/signature.ts";
import { type NodeFacts, shortId } from "../../core/mesh/admission/node_certificate.ts";
import {
  requireAll,
  ROTATION_STEPS,
  type RotationStep,
} from "../../core/mesh/admission/rotation.ts";
import { Revocations } from "../../core/mesh/admission/revocations.ts";
import { exportCore } from "../../core/mesh/core/core_export.ts";
import type { ApiToken } from "../../core/mesh/http/api_token.ts";
import type { Route } from "../../core/mesh/http/route.ts";
import { sleep } from "../loop/sleep.ts";
import { askInvite } from "../mesh/admission/ask_invite.ts";
import { Admission, type ClusterSecrets } from "../mesh/admission/admission.ts";
import { AdmissionDesk } from "../mesh/admission/admission_desk.ts";
import {
  countGeneration,
  listAgents,
  listMembers,
  makeInvite,
  revokeMember,
} from "../mesh/admission/invites.ts";
import { keepTrust, publishGeneration } from "../mesh/admission/trust_notice.ts";
import { followRevocations } from "../mesh/admission/follow_revocations.ts";
import { answer, jsonAnswer, words } from "../mesh/http/answers.ts";
import { MeshApi } from "../mesh/http/api.ts";
import { gauge, type Measure, nodeMetrics } from "../mesh/http/node_metrics.ts";
import { readStore } from "../mesh/store/store_copy.ts";

/** Milliseconds until the core is asked again after a failure. */
const RETRY_MS = 1_000;

export interface MeshNodeOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly verify: VerifySignature;
  readonly ecdsaSigner: (seed: Uint8Array) => EcdsaSigner;
  readonly signerOf: (seed: Uint8Array) => Signer;
  /** The node's own key, and its certificate in DER. */
  readonly signer: Signer;
  readonly certificate: () => Uint8Array;
  /** True if the core takes what belongs to the cluster from this node. */
  readonly mayAdminister: () => boolean;
  /** True if the core is at this node, or at none, as it is in etcd. */
  readonly hasCore: () => boolean;
  /** Returns words for the node with the core, as far as it is known. */
  readonly coreAt: () => string;
  /** True if nodes with the role core alone may invite, as long as the authority's key is here. */
  readonly isInviteOfCores: boolean;
  /** Machines without an invite may enroll here, as long as the authority's key is here. */
  readonly isOpen: boolean;
  readonly facts: () => NodeFacts;
  /** Those that the node takes of its certificate's. */
  readonly roles: readonly string[];
  readonly cluster: () => ClusterSecrets;
  /** Returns the domain whose gateways the authority certifies; null = there is none. */
  readonly apex: () => string | null;
  /** Returns the authority's key; null = another node has it. */
  readonly authority: () => Signer | null;
  /** Replaces authority and secret by a step. @throws {TtunError} usage */
  readonly rotate: (step: RotationStep) => Promise<void>;
  /** Returns how far such a replacement is. */
  readonly rotationPhase: () => string;
  /** Returns true if the certificate is to be renewed. */
  readonly isOld: () => boolean;
  /** Fetches a new certificate, authorities and secrets. */
  readonly renew: (isBehind: boolean) => Promise<void>;
  /** Where other nodes reach this one: HOST:PORT. */
  readonly address: string;
  /** Where this node takes those that join; null = nowhere. */
  readonly joinAt: () => HostPort | null;
  /** Passes a request to join on to the node with the authority's key. @throws {MeshError} unavailable */
  readonly passOn: (body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
  readonly tokens: () => readonly ApiToken[];
  /** Returns facts of the ring, and its measures. */
  readonly ring: () => object;
  readonly measures: () => readonly Measure[];
  /** Gives the node's records to others, and ends the process. */
  readonly leave: () => Promise<void>;
  /** Ids in hex of nodes that were revoked when this one ran last. */
  readonly revoked: readonly string[];
  readonly keepRevoked: (ids: readonly string[]) => void;
  /** Hands the core to the node whose id begins so. @throws {TtunError} */
  readonly moveCore: (start: string) => Promise<{ node: string; epoch: number }>;
  /** Closes the links of a node that was revoked. */
  readonly onRevoked: (nodeId: Uint8Array) => void;
}

/** A node of a cluster: its API, and admission to the cluster. */
export class MeshNode {
  readonly api: MeshApi;
  readonly desk: AdmissionDesk;
  readonly #admission: Admission;
  readonly revocations: Revocations;
  readonly #o: MeshNodeOptions;
  readonly #startedAt: number;

  constructor(o: MeshNodeOptions) {
    this.#o = o;
    this.#startedAt = o.clock.now();
    const said = new RateLimitedLog(o.log, () => o.clock.now(), OF_PEERS);
    this.#admission = new Admission({
      ...o,
      authority: () => requireAuthority(o.authority()),
      log: said,
    });
    this.desk = new AdmissionDesk({
      ...o,
      admission: this.#admission,
      authorities: () => o.cluster().authorities,
      said,
    });
    this.revocations = new Revocations(
      (nodeId) => {
        o.log.warn("A node was revoked", { node: shortId(nodeId) });
        o.onRevoked(nodeId);
      },
      o.revoked,
      o.keepRevoked,
    );
    this.api = new MeshApi({
      ...o,
      ring: () => this.#describe(),
      metrics: () => nodeMetrics(this.#measures()),
      admin: (route, request) => this.#administer(route, request),
    });
  }

  /** Follows the cluster's changes until the signal aborts. */
  async run(): Promise<void> {
    const o = this.#o;
    await Promise.all([
      this.#tellAtLast(),
      followRevocations(o, this.revocations),
      keepTrust({
        ...o,
        generation: () => o.cluster().generation,
        renew: async (isBehind) => {
          await o.renew(isBehind);
          await this.#tellOthers();
        },
      }),
    ]);
  }

  /** The core may be at another node, which is not reached at once. */
  async #tellAtLast(): Promise<void> {
    const { clock, log, signal } = this.#o;
    for (;;) {
      try {
        return await this.#tellOthers();
      } catch (error) {
        signal.throwIfAborted();
        // Its disk may be full: that is no reason not to run.
        if (!(error instanceof MeshError) || error.reason === "closed") throw error;
        log.debug("Cannot tell the cluster of this node now", { why: error.message });
      }
      await sleep(clock, RETRY_MS, signal);
    }
  }

  /** Where this node has the authority's key: tells what it has itself, and what others are to have. */
  async #tellOthers(): Promise<void> {
    const { store, authority, facts, address, joinAt, cluster, signal } = this.#o;
    if (authority() === null) return;
    const at = joinAt();
    const places = { address, joinAt: at === null ? "" : formatAddr(at) };
    await this.#admission.registerSelf(facts(), places, signal);
    await publishGeneration(store, cluster().generation, signal);
  }

  #describe(): object {
    const { roles } = this.#o;
    const { nodeId, host, zone, notAfter } = this.#o.facts();
    const { cluster, generation } = this.#o.cluster();
    return {
      ...this.#o.ring(),
      node: toHex(nodeId),
      cluster: toHex(cluster),
      host,
      zone,
      roles,
      certificateEnds: new Date(notAfter).toISOString(),
      generation,
      hasAuthority: this.#o.authority() !== null,
      rotation: this.#o.rotationPhase(),
      revoked: this.revocations.count,
      seconds: Math.round((this.#o.clock.now() - this.#startedAt) / 1000),
    };
  }

  #measures(): Measure[] {
    const { clock, facts, now, measures } = this.#o;
    return [
      gauge(
        "uptime_seconds",
        "Time since the node started",
        (clock.now() - this.#startedAt) / 1000,
      ),
      gauge(
        "certificate_seconds",
        "Time until the node's certificate ends",
        (facts().notAfter - now()) / 1000,
      ),
      gauge("revoked_nodes", "Nodes whose certificates count no more", this.revocations.count),
      ...measures(),
    ];
  }

  #administer(route: Route, request: Request): Promise<Response> | null {
    const { store, authority, signal } = this.#o;
    const key = authority();
    switch (route.kind) {
      case "members":
        return listMembers(store, signal).then((members) => jsonAnswer(200, { members }));
      case "agents":
        return listAgents(store, signal).then((agents) => jsonAnswer(200, { agents }));
      case "invites":
        return this.#invite(request, signal);
      case "revoke":
        return this.#revoke(request, route.nodeId, signal);
      case "core":
        return this.#core(route.action, request, signal);
      case "leave":
        return this.#leave(request);
      case "rotation":
        if (key !== null && !this.#o.hasCore()) {
          return Promise.resolve(
            words(
              409,
              `This node has the authority's key, but another one has the core${this.#o.coreAt()}: ` +
                "put ca.key there too, start that node again, and run this there",
            ),
          );
        }
        if (key !== null) return this.#rotation(request, route.step, signal);
        return Promise.resolve(
          words(
            409,
            `The authority's key is at another node, that with the core${this.#o.coreAt()}: run this there`,
          ),
        );
      default:
        return null;
    }
  }

  async #leave(request: Request): Promise<Response> {
    if (request.method !== "POST") {
      return words(405, "Only POST is answered here", { allow: "POST" });
    }
    await this.#o.leave();
    return jsonAnswer(200, {});
  }

  /** GET tells how far it is; POST makes a step, once all nodes have the one before. */
  async #rotation(request: Request, name: string, signal: AbortSignal): Promise<Response> {
    const { store, cluster, rotate, rotationPhase } = this.#o;
    const counts = async () => await countGeneration(store, cluster().generation, signal);
    if (request.method !== "POST" && (request.method !== "GET" || name !== "")) {
      return words(405, "Only GET of it, and POST of a step, are answered here", {
        allow: "GET, POST",
      });
    }
    if (request.method === "POST") {
      const step = ROTATION_STEPS.find((step) => step === name);
      if (step === undefined) return words(404, "There is no such step");
      const { have, members } = await counts();
      requireAll(have, members, step);
      await rotate(step);
      await this.#tellOthers();
    }
    const { generation } = cluster();
    return jsonAnswer(200, { phase: rotationPhase(), generation, ...await counts() });
  }

  async #invite(request: Request, signal: AbortSignal): Promise<Response> {
    if (request.method !== "POST") {
      return words(405, "Only POST is answered here", { allow: "POST" });
    }
    const wish = new Uint8Array(await request.arrayBuffer());
    if (!this.#o.mayAdminister()) {
      return jsonAnswer(201, { invite: await askInvite(wish, this.#o, signal) });
    }
    const by = { node: toHex(this.#o.facts().nodeId), roles: null };
    const tools = { ...this.#o, authority: () => this.#o.cluster().authorities[0]!, by };
    return jsonAnswer(201, { invite: await makeInvite(wish, tools, signal) });
  }

  #core(action: string, request: Request, signal: AbortSignal): Promise<Response> | null {
    switch (action) {
      case "export":
        return this.#exportCore(request, signal);
      case "move":
        return this.#moveCore(request);
      default:
        return null;
    }
  }

  async #moveCore(request: Request): Promise<Response> {
    if (request.method !== "POST") {
      return words(405, "Only POST is answered here", { allow: "POST" });
    }
    const start = new URL(request.url).searchParams.get("to") ?? "";
    if (!/^[0-9a-f]{4,64}$/.test(start)) return words(400, "Cannot read to: it is a node's id");
    return jsonAnswer(200, await this.#o.moveCore(start));
  }

  /** All keys of the core, by way of the store: also where another node has it. */
  async #exportCore(request: Request, signal: AbortSignal): Promise<Response> {
    if (request.method !== "GET") return words(405, "Only GET is answered here", { allow: "GET" });
    const state = await readStore(this.#o.store, signal);
    return answer(200, exportCore(state) as Uint8Array<ArrayBuffer>, "application/x-ndjson");
  }

  async #revoke(request: Request, start: string, signal: AbortSignal): Promise<Response> {
    if (request.method !== "POST") {
      return words(405, "Only POST is answered here", { allow: "POST" });
    }
    if (!this.#o.mayAdminister()) {
      return words(
        409,
        `Only a node with the role core shuts others out: run this there${this.#o.coreAt()}`,
      );
    }
    const withInvited = new URL(request.url).searchParams.has("invited");
    return jsonAnswer(200, await revokeMember(start, { ...this.#o, withInvited }, signal));
  }
}

function requireAuthority(authority: Signer | null): Signer {
  if (authority !== null) return authority;
  throw new TtunError("system", "This node has not the authority's key any more");
}
