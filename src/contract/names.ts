import type { HostPort } from "../base/addr.ts";
import type { OnReady } from "./stream.ts";

/** A UDP socket that has one peer: the kernel lets nobody else's datagrams through. */
export interface ConnectedDatagrams extends Disposable {
  /** Drops the datagram where there is no room. @throws {TtunError} unreachable */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Size, cut to `into`; undefined = none. @throws {TtunError} unreachable, as told by ICMP */
  receiveNow(into: Uint8Array<ArrayBuffer>): number | undefined;
  /** Calls `run` once; only after `receiveNow` had none. */
  onReceivable(run: OnReady): void;
}

/** Each socket is on a port of the kernel's choice. */
export interface DatagramDialer {
  /** Hosts are IP addresses. @throws {TtunError} unreachable, exhausted */
  connect(to: HostPort, o: { signal: AbortSignal }): ConnectedDatagrams;
  /** This machine's address towards another one, found without sending anything; null = no way. */
  sourceOf(host: string): string | null;
}

export interface FileSource {
  /** A text that differs when the file has changed; null = there is no file. */
  stampOf(path: string): string | null;
  /** At most the first `most` bytes; null = it cannot be read. */
  read(path: string, most: number): string | null;
}
