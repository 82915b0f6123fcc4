import { PoolRouter } from "../../src/app/tun/pool_router.ts";
import type { PortOptions } from "../../src/app/tun/tun_router.ts";
import type { ClientNetworks } from "../../src/core/ip/client_networks.ts";
import { parseCidr, parseIp } from "../../src/base/addr.ts";
import { writeU16, writeU32 } from "../../src/base/bytes.ts";
import { FakeClock } from "./clock.ts";
import { FakeDevice } from "./device.ts";
import { FakeLink } from "./link.ts";
import { keptLog } from "./log.ts";

export const SERVER4 = "10.8.0.1";
export const SERVER6 = "fd00:8::1";

/** A packet without a sense between two addresses of one family, told apart by `mark`. */
export function between(from: string, to: string, mark: number, size = 60): Uint8Array {
  const packet = new Uint8Array(size);
  const [source, target] = [parseIp(from)!, parseIp(to)!];
  if (source.length !== target.length) throw new Error("Addresses of two families");
  const isV4 = source.length === 4;
  packet[0] = isV4 ? 0x45 : 0x60;
  writeU16(packet, isV4 ? 2 : 4, isV4 ? size : size - 40);
  packet[isV4 ? 9 : 6] = 59;
  packet.set(source, isV4 ? 12 : 8);
  packet.set(target, isV4 ? 16 : 24);
  writeU32(packet, size - 4, mark);
  return packet;
}

/** Reads the mark that `between` put at the packet's end. */
export function markAtEnd(packet: Uint8Array): number {
  return new DataView(packet.buffer, packet.byteOffset).getUint32(packet.length - 4);
}

export const marksAtEnd = (packets: Uint8Array[]) => packets.map(markAtEnd);

/** A virtio_net_hdr (linux/virtio_net.h), little-endian. */
export function virtioHeader(o: {
  flags?: number;
  type?: number;
  headers?: number;
  size?: number;
  start?: number;
  offset?: number;
}): Uint8Array {
  const header = new Uint8Array(10);
  const view = new DataView(header.buffer);
  header[0] = o.flags ?? 0;
  header[1] = o.type ?? 0;
  view.setUint16(2, o.headers ?? 0, true);
  view.setUint16(4, o.size ?? 0, true);
  view.setUint16(6, o.start ?? 0, true);
  view.setUint16(8, o.offset ?? 0, true);
  return header;
}

/** A client: its end of the link is the test's. */
export interface Joined {
  readonly link: FakeLink;
  readonly traffic: { sentBytes: number; receivedBytes: number };
  /** Error that ended its session, null after an ordinary end; undefined while it goes on. */
  error: unknown;
  readonly ended: Promise<void>;
  leave(): Promise<void>;
}

/** A pool router that runs, with a device whose network is the test. */
export class PoolRouterWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly device: FakeDevice;
  readonly router: PoolRouter;
  readonly records: ReturnType<typeof keptLog>["records"];
  /** Result of `run`, or the error that it threw. */
  readonly running: Promise<unknown>;
  /** How often everything else was given a turn. */
  turns = 0;
  readonly #stop = new AbortController();

  constructor(
    o: { takes?: number; mssClamp?: boolean; longest?: number; networks?: ClientNetworks } = {},
  ) {
    const turn = this.clock.turn.bind(this.clock);
    this.clock.turn = () => {
      this.turns++;
      return turn();
    };
    this.device = new FakeDevice(1280, o.takes ?? 0);
    const { log, records } = keptLog(this.clock);
    this.records = records;
    this.router = new PoolRouter(this.device, this.clock, {
      mssClamp: o.mssClamp ?? false,
      longest: o.longest ?? 1_400,
      log,
      ...(o.networks && { networks: o.networks }),
    });
    this.running = this.router.run(this.#stop.signal).catch((error: unknown) => error);
  }

  join(
    peer: string,
    addresses: string[],
    o: ConstructorParameters<typeof FakeLink>[0] & Pick<PortOptions, "session" | "name"> = {},
  ): Joined {
    const link = new FakeLink(o);
    const { session: of, name } = o;
    const traffic = { sentBytes: 0, receivedBytes: 0 };
    const port = {
      peer,
      traffic,
      addresses: addresses.map(parseCidr),
      ...(of && { session: of }),
      ...(name && { name }),
    };
    const session = this.router.session(link, port);
    const joined: Joined = {
      link,
      traffic,
      error: undefined,
      ended: session.then(
        () => void (joined.error = null),
        (error) => void (joined.error = error),
      ),
      leave: async () => {
        link.end();
        await joined.ended;
        await link[Symbol.asyncDispose](); // as the server does behind a session
      },
    };
    return joined;
  }

  /** The log's lines since the last call: message, offload and why. */
  lines(): string[] {
    return this.records.splice(0).map(({ level, message, fields }) =>
      [level, message, ...Object.values(fields)].join("; ")
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the test is over"));
    await this.running;
    await this.clock.settle();
    if (this.clock.pending > 0) throw new Error(`${this.clock.pending} timers are still set`);
  }
}
