import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { PacketLink, PacketLinkEvents } from "../../contract/packet_link.ts";
import { MAX_PACKET } from "../../core/tuntox/frames.ts";
import { type TunnelLimits, USUAL_LIMITS } from "../../core/tuntox/limits.ts";
import { type TunnelRequest, Tunnels } from "../../core/tuntox/tunnels.ts";
import type { UnreadTotal } from "../../core/tuntox/unread_total.ts";
import { FramePump } from "./frame_pump.ts";

export interface TunnelLinkOptions {
  readonly clock: Clock;
  readonly random: Rng;
  readonly log: Logger;
  /** Absent = the usual ones. */
  readonly limits?: TunnelLimits | undefined;
  /** Counts what waits in the tunnels of all friends; absent = this one is alone. */
  readonly total?: UnreadTotal | undefined;
  /** A server's, which serves requests of its client; absent = this end is a client. */
  readonly serve?: (request: TunnelRequest) => void;
}

/** Runs the tunnels of one friend over the link with it, which stays its owner's. */
export class TunnelLink implements PacketLinkEvents, Disposable {
  readonly tunnels: Tunnels;
  readonly link: PacketLink;
  /** Called with the payload of each pong, a view. */
  onPong: ((payload: Uint8Array) => void) | null = null;
  readonly #pump: FramePump;
  readonly #said: RateLimitedLog;

  /** @throws {TtunError} internal, for a link that carries too small packets */
  constructor(link: PacketLink, { clock, random, log, limits, total, serve }: TunnelLinkOptions) {
    if (link.maxPacketBytes < MAX_PACKET) {
      throw new TtunError("internal", "The link's packets are too small for tuntox's frames");
    }
    this.link = link;
    this.#pump = new FramePump(clock, () => this.tunnels);
    this.#said = new RateLimitedLog(log, () => clock.now());
    this.tunnels = new Tunnels({
      role: serve === undefined ? "client" : "server",
      peer: link.peer,
      limits: limits ?? USUAL_LIMITS,
      total,
      send: (packet) => link.send(packet),
      now: () => clock.now(),
      random,
      events: {
        wake: () => this.#pump.wake(),
        requested: (request) => serve?.(request),
        ponged: (payload) => this.onPong?.(payload),
      },
    });
    link.listen(this);
  }

  packet(bytes: Uint8Array): void {
    const why = this.tunnels.receive(bytes);
    if (why === null) return;
    const { peer } = this.link;
    if (why === "old") this.#said.warn("the other end's tuntox is too old", { peer });
    else this.#said.info("not a frame of tuntox", { peer, why });
  }

  room(): void {
    this.#pump.flush();
  }

  up(): void {
    this.#pump.flush();
  }

  down(): void {
    this.tunnels.lose(new TtunError("lost", `Lost the link with ${this.link.peer}`));
  }

  /** Ends all tunnels at once; the link is not used any more. */
  [Symbol.dispose](): void {
    if (this.#pump.isClosed) return;
    this.#pump[Symbol.dispose]();
    this.tunnels.lose(new TtunError("lost", `The link with ${this.link.peer} is closed here`));
  }
}
