import type { HostPort } from "../base/addr.ts";
import type { OnReady } from "./stream.ts";

/** A UDP socket that has one peer: the kernel lets nobody else's datagrams through. */
export interface ConnectedDatagrams extends Disposable {
  /** Sends one datagram, or drops it where there is no room. @throws {TtunError} unreachable */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /**
   * The next datagram's size, cut to `into`; undefined = none is there.
   * @throws {TtunError} unreachable, as the peer's machine has told
   */
  receiveNow(into: Uint8Array<ArrayBuffer>): number | undefined;
  /** Calls `run` once, when there may be one. Call it only after `receiveNow` had none. */
  onReceivable(run: OnReady): void;
}

/** Opens UDP sockets, each on a port of the kernel's choice. */
export interface DatagramDialer {
  /** Hosts are IP addresses. @throws {TtunError} unreachable, exhausted */
  connect(to: HostPort, o: { signal: AbortSignal }): ConnectedDatagrams;
  /** This machine's address towards another one, found without sending anything; null = no way. */
  sourceOf(host: string): string | null;
}

/** Text files of the system, which others change. */
export interface FileSource {
  /** A text that differs when the file has changed; null = there is no file. */
  stampOf(path: string): string | null;
  /** At most the first `most` bytes as text; null = it cannot be read. */
  read(path: string, most: number): string | null;
}
