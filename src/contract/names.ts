import type { HostPort } from "../base/addr.ts";
import type { OnReady } from "./stream.ts";

/** A UDP socket that has one peer: the kernel lets nobody else's datagrams through. */
export interface ConnectedDatagrams extends Disposable {
  /** Sends a datagram, or drops it where there is no room. @throws {TtunError} unreachable */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Returns the size, cut to `into`; undefined = none. @throws {TtunError} unreachable */
  receiveNow(into: Uint8Array<ArrayBuffer>): number | undefined;
  /** Calls `run` once when a datagram may be there; only after `receiveNow` had none. */
  onReceivable(run: OnReady): void;
}

/** Opens UDP sockets, each on a port of the kernel's choice. */
export interface DatagramDialer {
  /** Connects to an IP address. @throws {TtunError} unreachable, exhausted */
  connect(to: HostPort, o: { signal: AbortSignal }): ConnectedDatagrams;
  /** This machine's address towards another one, found without sending anything; null = no way. */
  sourceOf(host: string): string | null;
}

export interface FileSource {
  /** A text that differs when the file has changed; null = there is no file. */
  stampOf(path: string): string | null;
  /** Reads at most the first `most` bytes; null = the file cannot be read. */
  read(path: string, most: number): string | null;
}
