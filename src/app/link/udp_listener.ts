import type { HostPort } from "../../base/addr.ts";
import type { Datagrams } from "../../contract/datagrams.ts";
import type { Listener } from "../../contract/dial.ts";
import type { UdpServer, UdpServerOptions } from "./udp_server.ts";

/** Stands for a socket of datagrams among listeners: it gives no connections. Owns the socket. */
export class UdpListener implements Listener {
  readonly datagrams: Datagrams;
  /** Makes what serves the socket's clients; passed on, as few servers need the code. */
  readonly serve: (o: UdpServerOptions) => UdpServer;

  constructor(datagrams: Datagrams, serve: (o: UdpServerOptions) => UdpServer) {
    this.datagrams = datagrams;
    this.serve = serve;
  }

  get addr(): HostPort {
    return this.datagrams.addr;
  }

  acceptNow(): null {
    return null;
  }

  onAcceptable(): void {}

  [Symbol.asyncDispose](): Promise<void> {
    this.datagrams[Symbol.dispose]();
    return Promise.resolve();
  }
}
