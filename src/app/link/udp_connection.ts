import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Datagrams } from "../../contract/datagrams.ts";
import type { ConnectionStats } from "../../contract/stats.ts";

/** Stands for the way of datagrams to a peer where code has connections. No bytes go by it. */
export class UdpConnection implements Connection {
  readonly peer: string;
  /** The system chooses the address for each datagram. */
  readonly local: HostPort = { host: "", port: 0 };
  readonly remote: HostPort;
  readonly congestion = "";
  readonly datagrams?: Datagrams;
  /** Called once, by a reset or the dispose, while datagrams may still be sent. */
  onEnd: () => void = () => {};
  /** Disposed of at the end. */
  readonly ends = new DisposableStack();
  #isOver = false;

  /** `datagrams`: a client's socket, its own. */
  constructor(remote: HostPort, datagrams?: Datagrams) {
    this.peer = formatAddr(remote);
    this.remote = remote;
    if (datagrams !== undefined) this.datagrams = datagrams;
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
    this.datagrams?.[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    return Promise.resolve();
  }
}
