import type { Addr, HostPort } from "../../base/addr.ts";
import { onAbort } from "../../base/scope.ts";
import type {
  BoundDatagrams,
  DatagramBinder,
  DatagramFlow,
  DatagramFlowEvents,
} from "../../contract/datagrams.ts";
import type { Clock } from "../../contract/host.ts";
import { packSocksDatagram, readSocksDatagram } from "../../core/proxy/socks/socks5_datagram.ts";
import { runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";

/** Datagrams in a row after which others get a turn. */
const BUDGET = 64;

/** Destination of all datagrams that are received; they are copied at once. */
const SCRATCH = new Uint8Array(65_536);

/** Datagrams of SOCKS5 clients (UDP ASSOCIATE, RFC 1928 section 7). */
export interface UdpAssociations {
  /** False while the other end does not carry datagrams. */
  readonly isPossible: () => boolean;
  readonly bind: DatagramBinder["bind"];
  /** Opens a flow whose datagrams say their targets; null = there can be none now. */
  readonly open: (events: DatagramFlowEvents) => DatagramFlow | null;
  readonly clock: Clock;
  /** Ends all of them. */
  readonly signal: AbortSignal;
}

/** The socket of one client, which sends here what is to go to its targets. */
export class UdpAssociation implements Disposable {
  readonly #o: UdpAssociations;
  readonly #client: string;
  readonly #socket: BoundDatagrams;
  readonly #life = new AbortController();
  readonly #registration: Disposable;
  /** The client's address: the first that sends from its host. */
  #source: HostPort | null = null;
  #flow: DatagramFlow | null = null;

  /**
   * `local`: the address that the client connected to; `client`: the one that it has.
   * @throws {TtunError} exhausted, usage
   */
  constructor(o: UdpAssociations, local: HostPort, client: HostPort) {
    this.#o = o;
    this.#client = client.host;
    const { signal } = this.#life;
    this.#socket = o.bind({ host: local.host, port: 0 }, { signal });
    this.#registration = onAbort(o.signal, (reason) => this.#life.abort(reason));
    const { clock } = o;
    runLoop<never>(
      { clock, budget: BUDGET, onReady: (run) => this.#socket.onReceivable(run) },
      () => this.#socket.receiveNow(SCRATCH, this.#take) ? 1 : WOULD_BLOCK,
    ).catch(() => {}); // the socket was closed, or fails for good: datagrams get lost
  }

  /** Where the client is to send to. */
  get addr(): HostPort {
    return this.#socket.addr;
  }

  readonly #take = (size: number, from: HostPort): void => {
    if (from.host !== this.#client) return;
    this.#source ??= from;
    if (from.port !== this.#source.port) return;
    const datagram = readSocksDatagram(SCRATCH.subarray(0, size));
    if (datagram === null) return;
    this.#flow ??= this.#o.open({
      received: (bytes, target) => {
        if (target !== null) this.#socket.sendTo(packSocksDatagram(target, bytes), this.#source!);
      },
      ended: () => void (this.#flow = null),
    });
    this.#flow?.send(datagram.bytes, datagram.target);
  };

  [Symbol.dispose](): void {
    this.#registration[Symbol.dispose]();
    this.#flow?.end();
    this.#socket[Symbol.dispose]();
  }
}

/** Returns null if the client is not one that can have an association: it has no IP address. */
export function openAssociation(
  o: UdpAssociations,
  local: Addr | undefined,
  client: Addr | undefined,
): UdpAssociation | null {
  if (local === undefined || client === undefined || !o.isPossible()) return null;
  if ("path" in local || "path" in client) return null;
  return new UdpAssociation(o, local, client);
}
