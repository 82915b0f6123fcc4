import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Datagrams } from "../../contract/datagrams.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { PeerLink } from "./config.ts";
import type { MeetingOptions } from "./connect.ts";

/** Code that few ends need is passed on, and not imported. */
export interface UdpClientEnd {
  readonly datagrams: Datagrams;
  /** Runs the handshake, as `connectUdp`. */
  readonly connect: (
    stream: UdpConnection,
    datagrams: Datagrams,
    o: UdpMeetingOptions,
  ) => Promise<PeerLink>;
}

export interface UdpMeetingOptions extends MeetingOptions {
  readonly log: Pick<Logger, "warn" | "debug">;
}

/** Stands for the way of datagrams to a peer where code has connections. No bytes go by it. */
export class UdpConnection implements Connection {
  readonly peer: string;
  /** The system chooses the address for each datagram. */
  readonly local: HostPort = { host: "", port: 0 };
  readonly remote: HostPort;
  readonly congestion = "";
  /** A client's socket, its own, and what makes a link on it; null at a server. */
  readonly client: UdpClientEnd | null;
  /** Called once, by a reset or the dispose, while datagrams may still be sent. */
  onEnd: () => void = () => {};
  /** Disposed of at the end. */
  readonly ends = new DisposableStack();
  #isOver = false;

  constructor(remote: HostPort, client: UdpClientEnd | null = null) {
    this.peer = formatAddr(remote);
    this.remote = remote;
    this.client = client;
  }

  stats(): ConnectionStats {
    return { protocol: "udp", ...(this.#isOver && { peerClosed: true, isGone: true }) };
  }

  setOptions(): string[] {
    return [];
  }

  readNow(): null {
    return null;
  }

  onReadable(): void {}

  writeNow(bytes: Uint8Array): number {
    return bytes.length;
  }

  onWritable(): void {}

  closeWrite(): void {}

  reset(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.ends.dispose();
    this.onEnd();
    this.client?.datagrams[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    return Promise.resolve();
  }
}
