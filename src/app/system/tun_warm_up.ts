import { parseCidr } from "../../base/addr.ts";
import { abortable, scope } from "../../base/scope.ts";
import { Offload } from "../../contract/batch.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Device, DeviceEnd } from "../../contract/device.ts";
import type { Clock } from "../../contract/host.ts";
import { makeSamples, sampleAddresses } from "../../core/ip/sample_packets.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { acceptLink } from "../link/accept.ts";
import type { PeerLink, WireSecrets } from "../link/config.ts";
import { connectLink } from "../link/connect.ts";
import { WarmUpPace } from "../loop/warm_up_pace.ts";
import type { TunRouter } from "../tun/tun_router.ts";
import { PacketExchange } from "./packet_exchange.ts";
import { runSession } from "./tun_session.ts";

/**
 * Short lives before the long one: code that V8 optimizes before it has seen a close and a second
 * object of a class is thrown away at the first of them.
 */
const SHORT_LIVES = 12;
const SHORT_ROUNDS = 8;
/** Far more than the time allows. */
const LONG_ROUNDS = 20_000;

/** Milliseconds of the thread in all, and of these before real packets are reckoned with. */
const BUDGET_MS = 900;
const EAGER_MS = 300;

/** Milliseconds of a life; far more than it takes, unless a packet has got lost. */
const STUCK_MS = 20_000;

/** Last bytes of the addresses inside. */
const CLIENT = 1;
const SERVER = 2;

export interface TunWarmUpOptions {
  readonly clock: Clock;
  /** Keys of their own: nothing of the real session's may be in them. */
  readonly secrets: WireSecrets;
  /** 16 random bytes. */
  readonly instance: Uint8Array;
  /** Opens a device like the real one, without an interface, and what stands for the kernel. */
  openDevice(signal: AbortSignal): { device: Device; end: DeviceEnd };
  openStreams(signal: AbortSignal): readonly [Connection, Connection];
  /** Make routers as the program uses them. */
  readonly clientRouter: (device: Device) => TunRouter;
  readonly serverRouter: (device: Device) => TunRouter;
  /** Changes whenever a real packet passes. */
  readonly activity: () => number;
}

/** Runs the data path on packets of its own, so that V8 has optimized it when the first real one comes. */
export class TunWarmUp {
  readonly #o: TunWarmUpOptions;
  readonly #pace: WarmUpPace;

  constructor(o: TunWarmUpOptions) {
    this.#o = o;
    const { clock, activity } = o;
    this.#pace = new WarmUpPace({ clock, activity, budgetMs: BUDGET_MS, eagerMs: EAGER_MS });
  }

  /** Real packets may come from now on: the warm-up pauses between its slices. */
  calm(): void {
    this.#pace.calm();
  }

  /** @throws {NativeError} if sockets cannot be opened; the signal's reason */
  async run(signal: AbortSignal): Promise<void> {
    using _pace = this.#pace;
    for (let i = 0; i < SHORT_LIVES && !this.#pace.isOver; i++) {
      await this.#live(SHORT_ROUNDS, i % 2 === 0, signal);
    }
    await this.#live(LONG_ROUNDS, true, signal);
  }

  /** Two ends from their handshake to their end; `isClosed`: by the client, else by the abort. */
  async #live(rounds: number, isClosed: boolean, signal: AbortSignal): Promise<void> {
    const { openDevice, openStreams, clientRouter, serverRouter } = this.#o;
    await scope(signal, async (tasks) => {
      using _stuck = this.#o.clock.after(STUCK_MS, () => tasks.cancel());
      const client = openDevice(tasks.signal);
      const server = openDevice(tasks.signal);
      const [near, far] = openStreams(tasks.signal);
      const routers = [clientRouter(client.device), serverRouter(server.device)] as const;
      for (const router of routers) tasks.spawn((signal) => router.run(signal));
      const up = new Gate(2);
      tasks.spawn(async (signal) => {
        await this.#session(await this.#connect(near, client.device), routers[0], up.open, signal);
      });
      tasks.spawn(async (signal) => {
        await this.#session(await this.#accept(far, server.device), routers[1], up.open, signal);
      });
      await abortable(up.opened, tasks.signal);
      const parties = [
        { end: client.end, samples: this.#samples(client.device, CLIENT, SERVER) },
        { end: server.end, samples: this.#samples(server.device, SERVER, CLIENT) },
      ] as const;
      await new PacketExchange(...parties, rounds, this.#pace).run();
      if (isClosed && !tasks.signal.aborted) {
        await near.closeWrite(); // the server's end closes then, and the client's after it
        for (let i = 0; i < 4; i++) await this.#o.clock.turn();
      }
      tasks.cancel();
    });
  }

  #samples({ headroom, mtu, takes }: Device, from: number, to: number) {
    const offload = this.#o.secrets.mode === "v1" ? Offload.none : takes;
    return makeSamples({ headroom, mtu, offload, from, to });
  }

  #connect(stream: Connection, device: Device): Promise<PeerLink> {
    const { secrets, clock, instance } = this.#o;
    const memory = { seenV2: false, reportV2: () => {} };
    return connectLink(stream, { secrets, clock, instance, memory, device });
  }

  async #accept(stream: Connection, device: Device): Promise<PeerLink> {
    const { secrets, clock } = this.#o;
    const replay = new ReplayMemory();
    using candidate = await acceptLink(stream, {
      ...{ secrets, clock, replay, device },
      onRightHello: () => {},
    });
    return await candidate.admit([]);
  }

  async #session(
    peer: PeerLink,
    router: TunRouter,
    onUp: () => void,
    signal: AbortSignal,
  ): Promise<void> {
    await using link = peer.link;
    const traffic = { sentBytes: 0, receivedBytes: 0 };
    const addresses = sampleAddresses(CLIENT).map(parseCidr);
    await runSession(peer, link, router, { peer: "", addresses, traffic, onUp }, signal);
  }
}

/** Opens after so many calls. */
class Gate {
  readonly #opened = Promise.withResolvers<void>();
  #missing: number;

  constructor(count: number) {
    this.#missing = count;
  }

  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  readonly open = (): void => {
    if (--this.#missing === 0) this.#opened.resolve();
  };
}
