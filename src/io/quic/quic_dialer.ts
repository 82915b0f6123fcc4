import { type Addr, type HostPort, isIpAddress, requireHostPort } from "../../base/addr.ts";
import { onAbort } from "../../base/scope.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import { SILENCE_MS } from "./liveness.ts";
import type { QuicEvent, QuicProtocol } from "./messages.ts";
import { quicError } from "./quic_errors.ts";
import type { QuicHost } from "./quic_host.ts";
import { quicConnection } from "./quic_connection.ts";

type Connected = Extract<QuicEvent, { readonly kind: "connected" }>;

/** Milliseconds for a server that nobody has given another time. */
const HANDSHAKE_MS = 10_000;

export interface QuicDialerOptions {
  /** The name that the certificate must have; null = that of the host that is dialled. */
  readonly serverName: string;
  /** PEM texts. */
  readonly caCerts: readonly string[];
  readonly protocol: QuicProtocol;
  /** Returns the address from which this machine reaches a host; null = it is not known. */
  readonly sourceOf?: (host: string) => string | null;
  /** Marks the socket that has this port. @throws {TtunError} */
  readonly mark?: (port: number) => void;
  readonly timeoutMs?: number;
}

/** Opens a connection of QUIC for each stream. Borrows the host. */
export class QuicDialer implements Dialer {
  readonly #host: QuicHost;
  readonly #o: QuicDialerOptions;

  constructor(host: QuicHost, o: QuicDialerOptions) {
    this.#host = host;
    this.#o = o;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): void {
    const at = requireHostPort(to);
    const { signal, cancel, timeoutMs = this.#o.timeoutMs ?? HANDSHAKE_MS } = o;
    const { caCerts, protocol, mark, serverName } = this.#o;
    const waiting = new DisposableStack();
    const take = (event: QuicEvent): boolean => {
      switch (event.kind) {
        case "bound":
          return this.#goOn(id, event.port, give);
        case "connected":
          return this.#connected(id, at, event, o, events, waiting);
        case "failed":
          return give(quicError(event, "connect", at, Math.min(timeoutMs, SILENCE_MS)));
        default:
          return true;
      }
    };
    const id = this.#host.add(take);
    const give = (error: unknown): boolean => {
      waiting.dispose();
      this.#host.forget(id);
      return events.failed(error) === true;
    };
    const giveUp = (reason: unknown) => {
      if (waiting.disposed) return;
      this.#host.send({ kind: "abort", id });
      give(reason);
    };
    try {
      signal.throwIfAborted();
      cancel?.throwIfAborted();
      this.#host.check();
      const host = isIpAddress(at.host) ? withoutZone(at.host) : at.host;
      const target = { to: { host, port: at.port }, serverName, caCerts, protocol };
      this.#host.send({ kind: "dial", id, target, timeoutMs, waits: mark !== undefined });
    } catch (error) {
      return void give(error);
    }
    waiting.use(onAbort(signal, giveUp));
    if (cancel !== undefined) waiting.use(onAbort(cancel, giveUp));
  }

  #goOn(id: number, port: number, give: (error: unknown) => boolean): boolean {
    try {
      this.#o.mark?.(port);
    } catch (error) {
      this.#host.send({ kind: "abort", id });
      return give(error);
    }
    this.#host.send({ kind: "go", id });
    return true;
  }

  #connected(
    id: number,
    remote: HostPort,
    { local: bound, mostPacket }: Connected,
    { signal }: DialOptions,
    events: DialEvents,
    waiting: DisposableStack,
  ): boolean {
    waiting.dispose();
    const source = this.#o.sourceOf?.(remote.host) ?? bound.host;
    const local = { host: source, port: bound.port };
    const ends = { local, remote, mostPacket };
    return events.connected(quicConnection(this.#host, id, ends, signal)) === true;
  }
}
