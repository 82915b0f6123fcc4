import { type HostPort, parseHostPort } from "../../../base/addr.ts";
import { toTtunError, TtunError, UnreachableError } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import { RateLimitedLog } from "../../../base/rate_limited_log.ts";
import type { Clock, Rng } from "../../../contract/host.ts";
import { ANY_NODE_NAME, nodeName } from "../../../core/mesh/admission/node_certificate.ts";
import type { NodeRole } from "../../../core/mesh/descriptor.ts";
import type { MeshTransport } from "../../../core/mesh/transport_choice.ts";
import type { Bye, Frame } from "../../../core/mesh/frame.ts";
import { OpenRequests } from "../../../core/mesh/open_requests.ts";
import { nodeIdOfKey, type NodeKey } from "../../../core/mesh/node_id.ts";
import type { RingLinkEvents, RingLinks } from "../ring/ring_links.ts";
import { checkHello, checkProof, type HelloTools, type LinkNonces, makeHello } from "./hello.ts";
import type { PeerChannel } from "./peer_channel.ts";
import { PeerLink, type ProvedLink } from "./peer_link.ts";
import { REVOKED, RevokedError } from "./revoked_error.ts";

/** Milliseconds for a connection, and for both hellos. */
const DIAL = 5_000;
const HELLO = 10_000;

/** Connections at a time whose other end has not proved yet that it is a node. */
const MOST_UNPROVED = 256;

/** Frames that wait while a link is made; more are dropped. */
const MOST_QUEUED = 256;

/** Milliseconds after a failure in which a node is not dialled again. */
const PAUSE = 500;

/** Milliseconds of that where one of the two nodes was revoked. */
const REVOKED_PAUSE = 60_000;

/** `refused` is called at once if an address refuses while another way to it is still tried. */
export type Connect = (
  to: HostPort,
  name: string,
  signal: AbortSignal,
  refused?: () => void,
) => Promise<PeerChannel>;

/** Milliseconds after which TCP is tried again for a link that came up over QUIC. */
const TCP_AGAIN = 300_000;

export interface PeerLinksOptions extends HelloTools {
  /** Connects with a node that has this name. @throws {TtunError} */
  readonly connect: Connect;
  /** Connects by TCP alone, which is looked for again where a link goes by QUIC. */
  readonly connectTcp: Connect;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

interface Dialling {
  readonly queue: Frame[];
}

/** One link with each node of the cluster that is spoken with. */
export class PeerLinks implements RingLinks, AsyncDisposable {
  readonly #o: PeerLinksOptions;
  readonly #said: RateLimitedLog;
  /** The links with each node, of which the last one is sent on; two nodes may dial each other. */
  readonly #links = new Map<NodeKey, PeerLink[]>();
  /** Roles that linked nodes have proved by their certificates. */
  readonly #roles = new Map<NodeKey, readonly NodeRole[]>();
  /** Requests of other nodes that are not answered yet. */
  readonly #requests = new Map<NodeKey, OpenRequests>();
  readonly #dialling = new Map<NodeKey | string, Dialling>();
  /** Nodes whose last link went by QUIC: an address of theirs that refuses TCP says nothing. */
  readonly #byQuic = new Set<NodeKey>();
  readonly #pausedUntil = new Map<NodeKey | string, number>();
  #unproved = 0;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #events: RingLinkEvents | null = null;

  constructor(o: PeerLinksOptions) {
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
    this.#signal = AbortSignal.any([o.signal, this.#stop.signal]);
  }

  /** Sets where frames go. */
  listen(events: RingLinkEvents): void {
    this.#events = events;
  }

  /** Nodes that are linked now. */
  get count(): number {
    return this.#links.size;
  }

  /** Counts the links by their transports. */
  get counts(): Record<MeshTransport, number> {
    const counts = { tcp: 0, quic: 0 };
    for (const { transport } of [...this.#links.values()].flat()) counts[transport] += 1;
    return counts;
  }

  /** True if a linked node's certificate has the role: descriptors that others tell are its words alone. */
  hasRole(node: NodeKey, role: NodeRole): boolean {
    return this.#roles.get(node)?.includes(role) ?? false;
  }

  /** Returns how the link with a node goes; null = there is none. */
  transportOf(node: NodeKey): MeshTransport | null {
    return this.#linkWith(node)?.transport ?? null;
  }

  send(to: NodeKey, frame: Frame, addresses: readonly string[], isPatient = false): void {
    if (this.#signal.aborted) return;
    if (frame.type === "answer" || frame.type === "error") {
      this.#requests.get(to)?.answered(frame.request);
    }
    const link = this.#linkWith(to);
    if (link !== undefined) return void link.send(frame, isPatient);
    const dialling = this.#dialling.get(to);
    if (dialling !== undefined) {
      if (dialling.queue.length < MOST_QUEUED) dialling.queue.push(frame);
      return;
    }
    if (addresses.length === 0 || this.#isPaused(to)) return;
    if (this.#o.isRevoked(nodeIdOfKey(to))) return;
    const started: Dialling = { queue: [frame] };
    this.#dialling.set(to, started);
    this.#run(this.#dialNode(to, addresses, started));
  }

  dial(address: string): void {
    if (this.#signal.aborted || this.#dialling.has(address) || this.#isPaused(address)) return;
    this.#dialling.set(address, { queue: [] });
    this.#run(this.#dialAddress(address));
  }

  close(node: NodeKey): void {
    for (const link of [...this.#links.get(node) ?? []]) link[Symbol.dispose]();
  }

  /** Ends the links of a node that was revoked, and tells it so. */
  revoke(node: NodeKey): void {
    for (const link of [...this.#links.get(node) ?? []]) link.sayBye(REVOKED);
  }

  /** Serves a connection that somebody else has made. Never rejects. */
  async accept(channel: PeerChannel): Promise<void> {
    if (this.#unproved >= MOST_UNPROVED) return channel[Symbol.dispose]();
    const link = new PeerLink(channel, this.#o.clock);
    const accepting = this.#accept(link);
    this.#run(accepting);
    await accepting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const links of this.#links.values()) for (const link of links) link[Symbol.dispose]();
    await Promise.all(this.#running);
  }

  #run(task: Promise<void>): void {
    const running = task.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #isPaused(to: NodeKey | string): boolean {
    const until = this.#pausedUntil.get(to) ?? 0;
    if (until > this.#o.clock.now()) return true;
    this.#pausedUntil.delete(to);
    return false;
  }

  #pause(to: NodeKey | string, ms: number): void {
    if (this.#pausedUntil.size > 4096) this.#pausedUntil.clear();
    this.#pausedUntil.set(to, this.#o.clock.now() + ms);
  }

  async #dialNode(to: NodeKey, addresses: readonly string[], { queue }: Dialling): Promise<void> {
    let proved: ProvedLink | null = null;
    let isRefused = false;
    let pause = PAUSE;
    let isTold = false;
    const tell = () => {
      if (!isTold && !this.#signal.aborted) this.#events?.refused(to);
      isTold = true;
    };
    const name = nodeName(nodeIdOfKey(to));
    for (const [i, address] of addresses.entries()) {
      const isLast = i === addresses.length - 1;
      const refused = isLast && !this.#byQuic.has(to) ? tell : undefined;
      try {
        proved = await this.#open(this.#o.connect, parseHostPort(address), name, to, refused);
        break;
      } catch (error) {
        if (this.#signal.aborted) break;
        isRefused ||= error instanceof UnreachableError && error.reason === "refused";
        pause = Math.max(pause, pauseAfter(error));
        this.#tell(address, error);
      }
    }
    this.#dialling.delete(to);
    if (proved === null) {
      this.#pause(to, pause);
      if (isRefused) tell();
      return;
    }
    for (const frame of queue) proved.link.send(frame);
    using _again = this.#lookForTcp(proved);
    await this.#carry(proved);
  }

  /** A link over QUIC becomes one over TCP as soon as that works. */
  #lookForTcp({ link, descriptor: { key, addresses } }: ProvedLink): Disposable | null {
    if (link.transport !== "quic") return null;
    const { clock, connectTcp } = this.#o;
    let timer: Disposable;
    const look = async () => {
      for (const address of addresses) {
        try {
          const to = parseHostPort(address);
          const better = await this.#open(connectTcp, to, nodeName(nodeIdOfKey(key)), key);
          this.#run(this.#carry(better));
          return link[Symbol.dispose]();
        } catch (error) {
          if (this.#signal.aborted || !link.isOpen) return;
          this.#tell(address, error);
        }
      }
      later();
    };
    const later = () => {
      timer = clock.after(TCP_AGAIN, () => this.#run(look()));
    };
    later();
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
  }

  async #dialAddress(address: string): Promise<void> {
    let proved: ProvedLink | null = null;
    let pause = PAUSE;
    try {
      proved = await this.#open(this.#o.connect, parseHostPort(address), ANY_NODE_NAME, null);
    } catch (error) {
      pause = pauseAfter(error);
      if (!this.#signal.aborted) this.#tell(address, error);
    }
    this.#dialling.delete(address);
    if (proved === null) return this.#pause(address, pause);
    using _again = this.#lookForTcp(proved);
    await this.#carry(proved);
  }

  /** The listener speaks first, then each end proves its key for both nonces. */
  async #open(
    connect: Connect,
    to: HostPort,
    name: string,
    expected: NodeKey | null,
    refused?: () => void,
  ): Promise<ProvedLink> {
    const { clock, rng } = this.#o;
    const late = new AbortController();
    using _timer = clock.after(DIAL, () => late.abort(tooLate()));
    const signal = AbortSignal.any([this.#signal, late.signal]);
    const link = new PeerLink(await connect(to, name, signal, refused), clock);
    try {
      using _end = link.endWith(signal);
      const first = await link.nextHello();
      const { notAfter } = checkHello(first, this.#o);
      const { descriptor } = first;
      if (expected !== null && descriptor.key !== expected) {
        throw new TtunError("auth", "Cannot link with the node: another one is there");
      }
      const nonce = rng(32);
      const nonces: LinkNonces = {
        binding: link.binding,
        dialerNonce: nonce,
        listenerNonce: first.nonce,
        listener: descriptor,
      };
      link.send(makeHello(this.#o, "dialer", nonce, nonces));
      const second = await link.nextHello();
      checkProof({ ...first, proof: second.proof }, "listener", nonces, this.#o);
      return { link, descriptor, notAfter };
    } catch (error) {
      this.#end(link, error);
      throw late.signal.aborted ? late.signal.reason : error;
    }
  }

  async #leave(link: PeerLink): Promise<void> {
    using _end = link.endWith(this.#signal);
    await link.leave(REVOKED);
  }

  /** A node that was revoked is told so; all others see the link end. */
  #end(link: PeerLink, error: unknown): void {
    if (error instanceof RevokedError && error.whose === "other") this.#run(this.#leave(link));
    else link[Symbol.dispose]();
  }

  async #accept(link: PeerLink): Promise<void> {
    const { clock, rng, self } = this.#o;
    let proved: ProvedLink;
    this.#unproved++;
    try {
      using _late = clock.after(HELLO, () => link[Symbol.dispose]());
      using _end = link.endWith(this.#signal);
      const nonce = rng(32);
      link.send(makeHello(this.#o, "listener", nonce, null));
      const hello = await link.nextHello();
      const { notAfter } = checkHello(hello, this.#o);
      const nonces: LinkNonces = {
        binding: link.binding,
        dialerNonce: hello.nonce,
        listenerNonce: nonce,
        listener: self(),
      };
      checkProof(hello, "dialer", nonces, this.#o);
      link.send(makeHello(this.#o, "listener", nonce, nonces));
      proved = { link, descriptor: hello.descriptor, notAfter };
    } catch (error) {
      this.#end(link, error);
      if (!this.#signal.aborted) this.#tell(link.peer, error);
      return;
    } finally {
      this.#unproved--;
    }
    await this.#carry(proved);
  }

  /** Takes frames until the link ends. Never rejects. */
  async #carry({ link, descriptor, notAfter }: ProvedLink): Promise<void> {
    const { clock, now } = this.#o;
    using _expiry = clock.after(notAfter - now(), () => link[Symbol.dispose]());
    const { key } = descriptor;
    if (link.transport === "quic") this.#byQuic.add(key);
    else this.#byQuic.delete(key);
    using _end = link.endWith(this.#signal);
    using _idle = link.endWhenIdle();
    const links = this.#links.get(key) ?? [];
    this.#links.set(key, links);
    links.push(link);
    this.#roles.set(key, descriptor.roles);
    this.#o.log.debug("Linked with a node", { node: key.slice(0, 12), at: link.peer });
    this.#events?.met(descriptor);
    try {
      await link.follow((frame) => {
        if (frame.type === "bye") this.#takeBye(key, link, frame);
        else if (frame.type !== "hello") this.#take(key, link, frame);
      });
    } catch (error) {
      if (!this.#signal.aborted && link.isOpen) this.#tell(link.peer, error);
    }
    link[Symbol.dispose]();
    links.splice(links.indexOf(link), 1);
    if (links.length > 0) return;
    this.#links.delete(key);
    this.#requests.delete(key);
    this.#roles.delete(key);
  }

  #takeBye(from: NodeKey, link: PeerLink, { words }: Bye): void {
    link[Symbol.dispose]();
    if (words !== REVOKED) return;
    this.#pause(from, REVOKED_PAUSE);
    this.#tell(link.peer, new RevokedError("own"));
  }

  #linkWith(node: NodeKey): PeerLink | undefined {
    return this.#links.get(node)?.findLast(({ isOpen }) => isOpen);
  }

  /** Refuses a request where too many are open. */
  #take(from: NodeKey, link: PeerLink, frame: Frame): void {
    const { request, type } = frame;
    if (request !== 0 && type !== "answer" && type !== "error") {
      const open = this.#requests.get(from) ?? new OpenRequests();
      this.#requests.set(from, open);
      if (!open.take(request, this.#o.clock.now())) {
        return void link.send({ type: "error", request, code: "busy", words: "" });
      }
    }
    this.#events?.frame(from, frame);
  }

  #tell(peer: string, error: unknown): void {
    const { kind, message } = toTtunError(error);
    if (kind === "unreachable" || kind === "timeout" || kind === "lost") {
      this.#o.log.debug("No link with a node", { peer, why: message });
    } else {
      this.#said.warn("No link with a node", { peer, why: message });
    }
  }
}

function pauseAfter(error: unknown): number {
  return error instanceof RevokedError ? REVOKED_PAUSE : PAUSE;
}

function tooLate(): TtunError {
  return new TtunError("timeout", "The node did not answer in time");
}
