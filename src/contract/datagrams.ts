import type { HostPort } from "../base/addr.ts";
import type { DatagramDialer } from "./names.ts";
import type { OnReady } from "./stream.ts";

/** A UDP socket on an address of its own, to and from anybody. */
export interface BoundDatagrams extends Disposable {
  /** Has the port that the kernel chose when 0 was asked for. */
  readonly addr: HostPort;
  /** Sends a datagram, or drops it where there is no room or no way. */
  sendTo(bytes: Uint8Array, to: HostPort): void;
  /**
   * Receives one to the front of `into`, cut to it, and calls `take` with its size and source. false
   * = there is none. @throws the reason that the socket was closed for
   */
  receiveNow(into: Uint8Array, take: (size: number, from: HostPort) => void): boolean;
  /** Calls `run` once when a datagram may be there; only after `receiveNow` had none. */
  onReceivable(run: OnReady): void;
}

/** Opens UDP sockets to listen on. Host "" stands for all addresses. */
export interface DatagramBinder {
  /** The socket lives under the signal. @throws {TtunError} in_use, privilege, usage, exhausted */
  bind(at: HostPort, o: { signal: AbortSignal }): BoundDatagrams;
}

/** UDP sockets of this machine. */
export interface DatagramSockets extends DatagramDialer, DatagramBinder {}

/** Datagrams between two ends of a session, unreliable both ways. */
export interface DatagramFlow {
  /** Sends a datagram, which is copied, or drops it. `to`: its target, unless the other end has one. */
  send(bytes: Uint8Array, to: HostPort | null): void;
  /** Ends the flow at both ends. */
  end(): void;
}

/** The other end of a flow. */
export interface DatagramFlowEvents {
  /** A datagram has come; the bytes are lent for the call. `from`: null = the only target. */
  received(bytes: Uint8Array, from: HostPort | null): void;
  /** The flow is over, by either end. */
  ended(): void;
}
