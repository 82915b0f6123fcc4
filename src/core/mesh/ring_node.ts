import type { Descriptor, Verify } from "./descriptor.ts";
import type { AnswerBody, FailureCode, Frame, Notice, Request } from "./frame.ts";
import { Lookup } from "./lookup.ts";
import { Membership } from "./membership.ts";
import type { NodeKey } from "./node_id.ts";
import type { Peer } from "./peer.ts";
import { type Random, RingContext } from "./ring_context.ts";
import { nextAnswer, routeTo } from "./routing.ts";
import type { RingImage } from "./ring_disk.ts";
import type { Step } from "./steps.ts";

export interface RingNodeOptions {
  readonly self: Descriptor;
  readonly verify: Verify;
  readonly random: Random;
  readonly image: RingImage;
  /** Addresses of nodes to begin with, as HOST:PORT. */
  readonly seeds: readonly string[];
  readonly nowMs: number;
}

/** Addresses of seeds are dialled again this often while the node knows nobody. */
const SEED_MS = 1000;

/**
 * One node of the ring, without clock, sockets and disk: frames and times come in, steps go out. Times
 * are Unix milliseconds of the node's own clock.
 */
export class RingNode {
  readonly #ring: RingContext;
  readonly #membership: Membership;
  readonly #seeds: readonly string[];

  constructor(o: RingNodeOptions) {
    this.#ring = new RingContext(o);
    this.#ring.now = o.nowMs;
    this.#seeds = o.seeds;
    this.#membership = new Membership(this.#ring, () => this.#onChange());
    this.#ring.onDead = (peer) => this.#membership.drop(peer);
    for (const { descriptor, heardAtMs } of o.image.peers) {
      const peer = this.#ring.learn(descriptor);
      if (peer !== null) peer.heardAt = heardAtMs;
    }
  }

  /** Begins to be a member of the ring. */
  start(nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      if (this.#seeds.length > 0) this.#dialSeeds();
      this.#membership.start();
    });
  }

  /** Takes a frame that came over a link with a node that has proved who it is. */
  feed(from: NodeKey, frame: Frame, nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      const peer = this.#ring.peers.get(from);
      if (frame.type === "answer" || frame.type === "error") {
        if (peer === undefined) return;
        this.#ring.hear(peer);
        this.#ring.calls.receive(peer, frame);
      } else if (frame.type === "stab") {
        this.#serve(from, frame);
      } else if (frame.type !== "hello" && frame.type !== "bye") {
        if (peer !== undefined) this.#ring.hear(peer);
        if (frame.request === 0) this.#notice(peer, frame as Notice);
        else this.#serve(from, frame as Request);
      }
    });
  }

  /** A link with a node has come up. */
  met(descriptor: Descriptor, nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      const peer = this.#ring.learn(descriptor);
      if (peer === null || peer === this.#ring.self) return;
      const isFirst = peer.heardAt === -Infinity;
      this.#ring.hear(peer);
      if (isFirst || this.#ring.list.length === 0) this.#membership.probe(peer);
    });
  }

  /** A node's address refuses connections: nobody listens there. */
  refused(key: NodeKey, nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      const peer = this.#ring.peers.get(key);
      if (peer === undefined || peer === this.#ring.self) return;
      this.#ring.blame(peer);
      this.#ring.calls.refuse(peer);
    });
  }

  /** Returns when `tick` is to be called, in Unix milliseconds. */
  due(): number {
    return this.#ring.timers.due();
  }

  tick(nowMs: number): Step[] {
    const due = this.due();
    return this.#do(nowMs, () => {
      if (due !== Infinity) this.#ring.calls.observeLateness(nowMs - due);
    });
  }

  /** A batch is on the disk, or the disk could not take it. */
  stored(token: number, nowMs: number, isGood = true): Step[] {
    void token;
    return this.#do(nowMs, () => {
      void isGood;
    });
  }

  /** Finds the owner of a position; a `reply` follows. */
  lookup(id: number, position: bigint, nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      new Lookup(this.#ring, position, {}, (found) => {
        this.#ring.steps.push({
          type: "reply",
          id,
          result: found === null
            ? { is: "failed", reason: "unavailable", outcome: "none", words: "No owner was found" }
            : { is: "owner", nodes: found.nodes.map(({ key }) => key), hops: found.hops },
        });
      });
    });
  }

  /** Leaves the ring: the state `off` follows, after which the process may end. */
  leave(nowMs: number): Step[] {
    return this.#do(nowMs, () => {
      this.#ring.state = "leaving";
      this.#membership.leave();
      this.#ring.tell({ name: "state", state: "off" });
    });
  }

  descriptorOf(key: NodeKey): Descriptor | undefined {
    return this.#ring.peers.get(key)?.descriptor;
  }

  /** Returns the neighbours, for the status and for tests. */
  neighbours(): { list: readonly NodeKey[]; pred: NodeKey | null; preds: readonly NodeKey[] } {
    const keys = (peers: readonly Peer[]) => peers.map(({ key }) => key);
    const { list, pred, preds } = this.#ring;
    return { list: keys(list), pred: pred?.key ?? null, preds: keys(preds) };
  }

  #do(nowMs: number, run: () => void): Step[] {
    const ring = this.#ring;
    // Clocks may be set back; timers and verdicts need a time that never is.
    if (nowMs > ring.now) ring.now = nowMs;
    run();
    ring.timers.run(ring.now);
    const { steps } = ring;
    ring.steps = [];
    return steps;
  }

  #dialSeeds(): void {
    const ring = this.#ring;
    if (ring.list.length === 0) {
      for (const address of this.#seeds) ring.steps.push({ type: "dial", address });
    }
    ring.timers.at(ring.now + SEED_MS, () => this.#dialSeeds());
  }

  #onChange(): void {
  }

  #serve(from: NodeKey, request: Request): void {
    const { state, now } = this.#ring;
    const number = request.request;
    const answer = (body: AnswerBody) => {
      const frame: Frame = { type: "answer", request: number, state, stamp: now, body };
      this.#ring.steps.push({ type: "send", to: from, frame });
    };
    const fail = (code: FailureCode, words: string) => {
      const frame: Frame = { type: "error", request: number, code, words };
      this.#ring.steps.push({ type: "send", to: from, frame });
    };
    switch (request.type) {
      case "ping":
        if (request.target !== this.#ring.self.key) return fail("left", "No such node is here");
        return answer({ to: "ping" });
      case "stab":
        return answer(this.#membership.onStab(request));
      case "next":
        return answer(nextAnswer(routeTo(this.#ring, request.position, request.isProbe)));
      case "relay": {
        const to = this.#ring.peers.get(request.to);
        if (to === undefined || to === this.#ring.self) return fail("busy", "No way to that node");
        return this.#ring.calls.call(to, request.frame as never, {
          onAnswer: (_, frame) => answer({ to: "relay", frame }),
          onFail: () => fail("busy", "That node does not answer"),
        }, true);
      }
      default:
        return fail("unsupported", "No such request");
    }
  }

  #notice(peer: Peer | undefined, notice: Notice): void {
    if (notice.type === "hint") this.#membership.onHint(notice.node);
    else if (notice.type === "left" && peer !== undefined) {
      this.#ring.leave(peer, notice.incarnation);
    }
  }
}
