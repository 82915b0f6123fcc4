import type { HostPort } from "../base/addr.ts";
import type { DatagramDialer } from "./names.ts";
import type { MaybePromise, OnReady } from "./stream.ts";

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

/** Both ends of a datagram's way. */
export interface DatagramPath {
  readonly remote: HostPort;
  /** Address of this machine; null = the system chooses it. */
  readonly local: string | null;
}

/** Datagrams that came at once by one path, behind each other. */
export interface ReceivedDatagrams {
  /** Of all of them, in bytes. */
  size: number;
  /** Of each but the last, which may be shorter. */
  segment: number;
  path: DatagramPath;
  /** Bits of explicit congestion notification (RFC 3168); 0 where the system does not tell. */
  ecn: number;
}

/** A datagram is longer than what this machine or its link sends in one. */
export const TOO_LONG = -1;

/**
 * A UDP socket for much: several datagrams a call, none of them in fragments where the system can
 * forbid that, and answers that go by the path of what they answer.
 */
export interface Datagrams extends Disposable {
  /** Has the port that the kernel chose when 0 was asked for. */
  readonly addr: HostPort;
  /** A path on which the system chooses this machine's address. The host is an IP address. */
  pathTo(remote: HostPort): DatagramPath;
  /**
   * Sends bytes as datagrams of `segment` bytes, of which the last may be shorter. Returns the bytes
   * that were taken, whole datagrams: where fewer, there is no room for more now. What has no way is
   * dropped and counts as taken. TOO_LONG: nothing was taken. @throws the reason of the close
   */
  sendNow(bytes: Uint8Array, segment: number, path: DatagramPath, ecn?: number): number;
  /** Calls `run` once when there may be room; only after `sendNow` took less than all. */
  onSendable(run: OnReady): void;
  /**
   * Receives to the front of `into` (64 KiB, else cut to it), and fills in `got`, whose path is the
   * same object as before where it is the same path. false = there is none. @throws as `sendNow`
   */
  receiveNow(into: Uint8Array, got: ReceivedDatagrams): boolean;
  /** Calls `run` once when a datagram may be there; only after `receiveNow` had none. */
  onReceivable(run: OnReady): void;
}

export interface DatagramsOptions {
  readonly signal: AbortSignal;
  /** Marks the socket's packets (SO_MARK). */
  readonly mark?: number | undefined;
  /** Told once of each offload that turned out not to work, and is not used any more. */
  readonly onDegraded?: (words: string) => void;
}

/** Opens such a socket. Host "" = all addresses. @throws {TtunError} in_use, privilege, usage, exhausted */
export type OpenDatagrams = (at: HostPort, o: DatagramsOptions) => MaybePromise<Datagrams>;

/** Returns what `receiveNow` fills in. */
export function noDatagrams(): ReceivedDatagrams {
  return { size: 0, segment: 0, path: { remote: { host: "", port: 0 }, local: null }, ecn: 0 };
}
