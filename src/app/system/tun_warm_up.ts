import { parseCidr } from "../../base/addr.ts";
import { abortable } from "../../base/scope.ts";
import { Offload } from "../../contract/batch.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Device, DeviceEnd } from "../../contract/device.ts";
import type { Clock } from "../../contract/host.ts";
import { makeSamples, sampleAddresses } from "../../core/ip/sample_packets.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { acceptLink } from "../link/accept.ts";
import type { PeerLink, WireSecrets } from "../link/config.ts";
import { connectLink } from "../link/connect.ts";
import { WarmUp, type WarmUpCycle } from "../loop/warm_up.ts";
import type { TunRouter } from "../tun/tun_router.ts";
import { PacketExchange } from "./packet_exchange.ts";
import { runSession } from "./tun_session.ts";

const SHORT_CYCLES = 12;
const SHORT_ROUNDS = 8;
/** Far more than the time allows. */
const LONG_ROUNDS = 20_000;

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
  /** Tells if a real packet has passed since the last call. */
  readonly isBusy: () => boolean;
}

/** Returns a warm-up of the data path, on packets of its own. */
export function tunWarmUp(o: TunWarmUpOptions): WarmUp {
  const tunnel = new WarmUpTunnel(o);
  return new WarmUp({ ...o, shortCycles: SHORT_CYCLES, cycle: tunnel.cycle });
}

class WarmUpTunnel {
  readonly #o: TunWarmUpOptions;

  constructor(o: TunWarmUpOptions) {
    this.#o = o;
  }

  /** Every other session is ended by a FIN, the others by the abort. */
  readonly cycle: WarmUpCycle = async ({ number, isShort, pace }, tasks) => {
    const { clock, openDevice, openStreams, clientRouter, serverRouter } = this.#o;
    const client = openDevice(tasks.signal);
    const server = openDevice(tasks.signal);
    const [near, far] = openStreams(tasks.signal);
    const routers = [clientRouter(client.device), serverRouter(server.device)] as const;
    for (const router of routers) tasks.spawn((signal) => router.run(signal));
    const up = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    tasks.spawn(async (signal) => {
      const peer = await this.#connect(near, client.device);
      await this.#session(peer, routers[0], up[0].resolve, signal);
    });
    tasks.spawn(async (signal) => {
      const peer = await this.#accept(far, server.device);
      await this.#session(peer, routers[1], up[1].resolve, signal);
    });
    await abortable(Promise.all(up.map(({ promise }) => promise)), tasks.signal);
    const rounds = isShort ? SHORT_ROUNDS : LONG_ROUNDS;
    await new PacketExchange(
      { end: client.end, samples: this.#samples(client.device, CLIENT, SERVER) },
      { end: server.end, samples: this.#samples(server.device, SERVER, CLIENT) },
      rounds,
      pace,
    ).run();
    if (number % 2 === 0 && !tasks.signal.aborted) {
      await near.closeWrite(); // the server's end closes then, and the client's after it
      for (let i = 0; i < 4; i++) await clock.turn();
    }
  };

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
