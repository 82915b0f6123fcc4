import { toHex, utf8 } from "../../base/bytes.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import type { VerifySignature } from "../../contract/signature.ts";
import {
  AGENT_SERVICE,
  type AgentAnswer,
  type AgentRequest,
  decodeAgentRequest,
  encodeAgentAnswer,
  ENROLL_SERVICE,
  isAgentProof,
  MAX_AGENT_MESSAGE,
} from "../../core/gateway/agent_messages.ts";
import { hostOfName, isHostName, publicNameOf } from "../../core/gateway/label.ts";
import {
  encodeRoute,
  passthroughKey,
  ROUTE_MS,
  routeKey,
  verifyRoute,
} from "../../core/gateway/route.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import {
  type AgentFacts,
  verifyAgentCertificate,
} from "../../core/mesh/admission/agent_certificate.ts";
import { shortId } from "../../core/mesh/admission/node_certificate.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { WireSecrets } from "../link/config.ts";
import { V2Acceptor } from "../mesh/carriers/v2_acceptor.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import type { SessionMemory } from "../mux/session_memory.ts";
import { AgentLink } from "./agent_link.ts";
import type { AgentRoutes } from "./agent_routes.ts";
import { RateLimits } from "../../core/net/rate_limits.ts";
import { sleep } from "../loop/sleep.ts";
import { addressGroup } from "../net/address_group.ts";
import { MessageStream } from "./message_stream.ts";
import { type Names, requireName } from "./names.ts";
import { PublishedNames } from "./published_names.ts";

/** Milliseconds in which an agent says who it is, or a machine enrolls. */
const HELLO_MS = 15_000;

/** Names that one link publishes. */
const MOST_PUBLISHED = 1000;

/**
 * Requests of an agent that reach the cluster's core, and of an address for certificates: more of them
 * wait for their turn.
 */
const REQUESTS = { burst: 1500, perSecond: 60, mostKeys: 10_000 };
const LISTS = { burst: 10, perSecond: 1, mostKeys: 10_000 };
const ENROLLMENTS = { burst: 10, perSecond: 0.5, mostKeys: 10_000 };

/** Milliseconds that one waits. */
const LONGEST_WAIT = 10_000;

/** Milliseconds in which agents go to other gateways, when this one is to be stopped. */
const MOVE_MS = 3_000;
const DRAIN_LOOK_MS = 50;

const NEVER = new AbortController().signal;

/** Links whose agent has not yet said who it is. */
const MOST_STRANGERS = 256;

/** Streams that an agent has open at a time: one is for its messages, one to renew its certificate. */
const MOST_STREAMS = 4;

export interface AgentGateOptions {
  readonly secrets: () => WireSecrets;
  readonly clock: Clock;
  readonly memory: SessionMemory;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Public keys of the cluster's authorities. */
  readonly authorities: () => readonly Uint8Array[];
  readonly verify: VerifySignature;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly isRevoked: (agentId: Uint8Array) => boolean;
  readonly names: Names;
  readonly routes: AgentRoutes;
  /** Has the routes of agents that are linked here, for other nodes. */
  readonly store: MeshStore;
  /** This node. */
  readonly self: NodeKey;
  /** Where gateways on other hosts are: HOST:PORT. */
  readonly others: () => readonly string[];
  readonly apex: string;
  /** Port at which visitors come. */
  readonly port: number;
  /** Talks with a machine that wants a certificate. */
  readonly enroll: (messages: MessageStream, signal: AbortSignal) => Promise<void>;
}

/** Facts about a link while it lives. */
interface Guest {
  link: AgentLink | null;
  /** The agent's, in DER. */
  certificate: Uint8Array;
  readonly published: PublishedNames;
  /** Ends the link when its agent's time is over. */
  timer: Disposable;
}

/** Lets agents in, which publish names and get their visitors' requests. */
export class AgentGate {
  readonly #o: AgentGateOptions;
  readonly #acceptor: V2Acceptor;
  readonly #said: RateLimitedLog;
  readonly #guests = new Map<V2Carrier, Guest>();
  readonly #requests = new RateLimits(REQUESTS);
  readonly #lists = new RateLimits(LISTS);
  readonly #enrollments = new RateLimits(ENROLLMENTS);
  #isDraining = false;

  constructor(o: AgentGateOptions) {
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
    this.#acceptor = new V2Acceptor({
      ...o,
      hasService: (service) => service === AGENT_SERVICE || service === ENROLL_SERVICE,
      mostStreams: MOST_STREAMS,
      onStream: (stream, carrier, service) => this.#opened(stream, carrier, service),
    });
  }

  /** How many agents are linked. */
  get count(): number {
    return this.agents.length;
  }

  /** Agents that are linked. */
  get agents(): { readonly agent: string; readonly peer: string; readonly names: string[] }[] {
    return [...this.#guests.values()].flatMap(({ link, published }) =>
      link === null
        ? []
        : [{ agent: toHex(link.facts.agentId), peer: link.peer, names: [...published].sort() }]
    );
  }

  /** Runs a connection to its end. Owns it. Never rejects. */
  async accept(stream: Connection): Promise<void> {
    const carrier = await this.#acceptor.accept(stream);
    if (carrier === null) return;
    this.#guestOf(carrier);
    await carrier.ended;
    const guest = this.#guests.get(carrier)!;
    const { link, timer } = guest;
    timer[Symbol.dispose]();
    this.#guests.delete(carrier);
    if (link === null) return;
    for (const name of guest.published) this.#withdraw(name, guest, link, carrier.wasLost);
    this.#o.log.info("An agent has left", { agent: shortId(link.facts.agentId), peer: link.peer });
  }

  /** Ends the links of an agent. */
  close(agentId: Uint8Array): void {
    const id = toHex(agentId);
    for (const { link } of this.#guests.values()) {
      if (link !== null && toHex(link.facts.agentId) === id) link.close();
    }
  }

  /**
   * Has the agents go to other gateways, and takes no more names. Resolves when none is published here
   * any more. Never rejects.
   */
  async drain(): Promise<void> {
    const { clock, routes } = this.#o;
    this.#isDraining = true;
    for (const { link } of this.#guests.values()) link?.drain();
    for (const end = clock.now() + MOVE_MS; routes.count > 0 && clock.now() < end;) {
      await sleep(clock, DRAIN_LOOK_MS, NEVER);
    }
    for (const guest of this.#guests.values()) {
      if (guest.link === null) continue;
      for (const name of guest.published) this.#withdraw(name, guest, guest.link);
    }
  }

  #guestOf(carrier: V2Carrier): Guest {
    const known = this.#guests.get(carrier);
    if (known !== undefined) return known;
    const timer = this.#o.clock.after(HELLO_MS, () => carrier[Symbol.dispose]());
    const published = new PublishedNames(this.#o.clock, (name) => {
      if (guest.link !== null) this.#forget(name, guest.link);
    });
    const guest: Guest = { link: null, certificate: new Uint8Array(), published, timer };
    this.#endOldestStranger();
    this.#guests.set(carrier, guest);
    return guest;
  }

  /** Everybody can make a link, which is nobody's until its agent has said who it is. */
  #endOldestStranger(): void {
    const strangers = [...this.#guests].filter(([, { link }]) => link === null);
    if (strangers.length >= MOST_STRANGERS) strangers[0]![0][Symbol.dispose]();
  }

  #opened(stream: MuxStream, carrier: V2Carrier, service: string): void {
    const guest = this.#guestOf(carrier);
    const work = service === AGENT_SERVICE
      ? this.#serve(stream, carrier, guest)
      : this.#enroll(stream, carrier);
    work.catch((thrown) => {
      const { kind, message } = toTtunError(thrown);
      if (kind === "internal") this.#o.log.error(message, { peer: carrier.peer });
      else if (kind !== "lost") {
        this.#said.warn("An agent fails", { peer: carrier.peer, why: message });
      }
    }).finally(() => startClose(stream));
  }

  /** @throws {TtunError} busy; the signal's reason */
  async #wait(limits: RateLimits, key: string): Promise<void> {
    const { clock, signal } = this.#o;
    const ms = limits.reserve(key, clock.now());
    if (ms > LONGEST_WAIT) throw new TtunError("busy", "Too many requests; try again later");
    if (ms > 0) await sleep(clock, ms, signal);
  }

  async #enroll(stream: MuxStream, { remote }: V2Carrier): Promise<void> {
    const { clock, enroll, signal } = this.#o;
    await this.#wait(this.#enrollments, addressGroup(remote));
    const stop = new AbortController();
    using _timer = clock.after(HELLO_MS, () => {
      stop.abort(new TtunError("timeout", "A machine did not enroll in time"));
      stream.reset();
    });
    const messages = new MessageStream(stream, MAX_AGENT_MESSAGE);
    await enroll(messages, AbortSignal.any([signal, stop.signal]));
    await stream.closeWrite();
  }

  async #serve(stream: MuxStream, carrier: V2Carrier, guest: Guest): Promise<void> {
    const messages = new MessageStream(stream, MAX_AGENT_MESSAGE);
    for (;;) {
      const message = await messages.read();
      if (message === null) return;
      await messages.write(encodeAgentAnswer(await this.#answer(message, carrier, guest)));
    }
  }

  async #answer(message: Uint8Array, carrier: V2Carrier, guest: Guest): Promise<AgentAnswer> {
    try {
      return await this.#do(decodeAgentRequest(message), carrier, guest);
    } catch (thrown) {
      const error = toTtunError(thrown);
      this.#o.signal.throwIfAborted();
      if (error.kind === "internal") {
        this.#o.log.error(error.message, { peer: carrier.peer });
        return { kind: "refused", error: new TtunError("system", "The gateway has failed") };
      }
      this.#said.warn("Refused an agent", { peer: carrier.peer, why: error.message });
      return { kind: "refused", error };
    }
  }

  async #do(request: AgentRequest, carrier: V2Carrier, guest: Guest): Promise<AgentAnswer> {
    const { names, signal, apex, port } = this.#o;
    if (request.kind === "hello") {
      this.#meet(request, carrier, guest);
      const { self: node, others } = this.#o;
      return { kind: "welcome", apex, port, node, others: others() };
    }
    const { link, published } = guest;
    if (link === null) throw new TtunError("auth", "The agent has not said who it is");
    const limits = request.kind === "names" ? this.#lists : this.#requests;
    await this.#wait(limits, toHex(link.facts.agentId));
    if (this.#isDraining && request.kind === "publish") {
      throw new TtunError("lost", "The gateway is about to stop");
    }
    switch (request.kind) {
      case "publish":
        if (published.size >= MOST_PUBLISHED && !published.has(request.name)) {
          throw new TtunError("exhausted", "Cannot publish more names by one link");
        }
        try {
          requireName(link.facts, request.name);
          requireForeign(request.name, apex);
          this.#check(request, guest);
          await names.claim(request.name, link.facts, signal);
        } catch (error) {
          this.#withdraw(request.name, guest, link); // it may be another agent's by now
          throw error;
        }
        if (!this.#guests.has(carrier)) throw new TtunError("lost", "The agent has left");
        this.#publish(request, guest, link);
        return { kind: "done" };
      case "withdraw":
        this.#withdraw(request.name, guest, link);
        return { kind: "done" };
      case "release":
        await names.release(request.name, link.facts.agentId, signal);
        this.#mark({ ...request, passthrough: false });
        this.#withdraw(request.name, guest, link);
        return { kind: "done" };
      case "names":
        return { kind: "names", names: await names.of(toHex(link.facts.agentId), signal) };
    }
  }

  #publish(request: Publish, guest: Guest, link: AgentLink): void {
    const { routes, apex, log } = this.#o;
    const { name, passthrough } = request;
    const wasPassthrough = routes.isPassthrough(name);
    routes.add(name, link, passthrough);
    this.#tell(request, guest);
    const isNew = guest.published.keep(name, ROUTE_MS);
    // Another time as well: it may have failed, and the agent may publish the name in another way now.
    if (isNew || passthrough || wasPassthrough) this.#mark(request);
    if (!isNew) return;
    log.info("Published", {
      name: hostOfName(name, apex),
      agent: shortId(link.facts.agentId),
      peer: link.peer,
    });
  }

  #withdraw(name: string, { published }: Guest, link: AgentLink, wasLost = false): void {
    if (published.delete(name)) this.#forget(name, link, wasLost);
  }

  #forget(name: string, link: AgentLink, wasLost = false): void {
    const { routes, store, self: node, log, signal } = this.#o;
    routes.remove(name, link, wasLost);
    if (routes.has(name)) return; // another instance is here
    store.delete(routeKey({ name, node }), { signal }).catch((error) => {
      if (!signal.aborted) log.debug("Cannot withdraw a route", { name, why: String(error) });
    });
  }

  /** @throws {TtunError} auth, clock, if the agent has not signed the route to this node */
  #check({ name, ...said }: Publish, { certificate }: Guest): void {
    const { apex, self: node, verify, authorities, isRevoked, now } = this.#o;
    const trust = { authorities: authorities(), verify, isRevoked };
    const route = { ...said, certificate, isPassthrough: said.passthrough };
    verifyRoute(route, { name, apex, node }, trust, now());
  }

  /** Has nodes know whether the name's TLS is not theirs to end, also while its agent is off. */
  #mark({ name, passthrough }: Pick<Publish, "name" | "passthrough">): void {
    const { store, log, signal } = this.#o;
    const key = passthroughKey(name);
    const mark = async () => {
      const isMarked = await store.get(key, { signal }) !== null;
      if (passthrough && !isMarked) await store.put(key, utf8("1"), { signal });
      if (!passthrough && isMarked) await store.delete(key, { signal });
    };
    mark().catch((error) => {
      if (!signal.aborted) {
        log.warn("Cannot keep how a name is published", { name, why: `${error}` });
      }
    });
  }

  /** Tells other nodes of the route; visitors of this one need it not. */
  #tell({ name, expires, signature, passthrough }: Publish, { certificate }: Guest): void {
    const { store, self: node, log, signal, now } = this.#o;
    const value = encodeRoute({ certificate, expires, signature, isPassthrough: passthrough });
    const ttlMs = Math.max(1, Math.min(expires - now(), ROUTE_MS));
    store.put(routeKey({ name, node }), value, { signal, ttlMs }).catch((error) => {
      if (!signal.aborted) {
        log.warn("Cannot tell other nodes of a route", { name, why: `${error}` });
      }
    });
  }

  /** @throws {TtunError} auth, clock, protocol */
  #meet(
    { certificate, proof }: AgentRequest & { readonly kind: "hello" },
    carrier: V2Carrier,
    guest: Guest,
  ): void {
    const { authorities, verify, now, isRevoked, clock } = this.#o;
    const trust = { authorities: authorities(), verify };
    const facts = verifyAgentCertificate(certificate, trust, now());
    if (!isAgentProof(facts.publicKey, carrier.binding, proof, verify)) {
      throw new TtunError("auth", "Cannot trust the agent: it does not have its key");
    }
    if (isRevoked(facts.agentId)) {
      throw new TtunError("auth", "Cannot trust the agent: it was revoked");
    }
    requireSame(guest.link, facts);
    guest.certificate = certificate;
    guest.timer[Symbol.dispose]();
    guest.timer = clock.after(facts.notAfter - now(), () => carrier[Symbol.dispose]());
    if (guest.link !== null) {
      guest.link.facts = facts;
      return;
    }
    guest.link = new AgentLink(carrier, facts, clock);
    this.#o.log.info("An agent has come", { agent: shortId(facts.agentId), peer: carrier.peer });
  }
}

type Publish = AgentRequest & { readonly kind: "publish" };

/** A host name of its own is none of the apex's. @throws {TtunError} usage */
function requireForeign(name: string, apex: string): void {
  if (!isHostName(name) || publicNameOf(name, apex) === name) return;
  throw new TtunError("usage", `Cannot publish ${name}: it belongs to ${apex}; use --name`);
}

/** A link stays one agent's. @throws {TtunError} auth */
function requireSame(link: AgentLink | null, { agentId }: AgentFacts): void {
  if (link === null || toHex(link.facts.agentId) === toHex(agentId)) return;
  throw new TtunError("auth", "Cannot trust the agent: it was another one before");
}
