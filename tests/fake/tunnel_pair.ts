import assert from "node:assert/strict";
import type { TunnelLimits } from "../../src/core/tuntox/limits.ts";
import { USUAL_LIMITS } from "../../src/core/tuntox/limits.ts";
import type { TunnelRequest } from "../../src/core/tuntox/tunnels.ts";
import { Tunnels } from "../../src/core/tuntox/tunnels.ts";
import type { UnreadTotal } from "../../src/core/tuntox/unread_total.ts";
import type { TunnelStream } from "../../src/core/tuntox/tunnel_stream.ts";
import { seededRng } from "./rng.ts";

/** One end of a link of packets that has no wire, and holds to the sender's promises. */
export class TunnelEnd {
  readonly tunnels: Tunnels;
  readonly requests: TunnelRequest[] = [];
  readonly pongs: Uint8Array[] = [];
  /** Packets that the link has taken, and the other end has not. */
  readonly sent: Uint8Array[] = [];
  /** Packets that the link takes now. */
  room = Infinity;
  wakes = 0;
  refusals = 0;
  #refused: Uint8Array | null = null;

  constructor(
    role: "client" | "server",
    pair: TunnelPair,
    limits: Partial<TunnelLimits>,
    total?: UnreadTotal,
  ) {
    this.tunnels = new Tunnels({
      role,
      peer: role === "client" ? "server" : "client",
      limits: { ...USUAL_LIMITS, ...limits },
      total,
      send: (packet) => this.#send(packet),
      now: () => pair.now,
      random: seededRng(role === "client" ? 1 : 2),
      events: {
        wake: () => void this.wakes++,
        requested: (request) => void this.requests.push(request),
        ponged: (payload) => void this.pongs.push(payload.slice()),
      },
    });
  }

  /** A packet that was refused must come again before any other. */
  #send(packet: Uint8Array): boolean {
    assert(packet.length <= 1373);
    if (this.#refused !== null) assert.deepEqual(packet, this.#refused);
    if (this.room <= 0) {
      this.refusals++;
      this.#refused = packet.slice();
      return false;
    }
    this.#refused = null;
    this.room--;
    this.sent.push(packet.slice());
    return true;
  }

  /** The link was lost. */
  forget(): void {
    this.#refused = null;
    this.sent.length = 0;
  }
}

/** A client and a server of tuntox at two ends of such a link. */
export class TunnelPair {
  now = 0;
  readonly client: TunnelEnd;
  readonly server: TunnelEnd;

  /** `total`: of the server's. */
  constructor(limits: Partial<TunnelLimits> = {}, total?: UnreadTotal) {
    this.client = new TunnelEnd("client", this, limits);
    this.server = new TunnelEnd("server", this, limits, total);
  }

  /** Delivers up to `most` packets from one end to the other. */
  deliver(from: TunnelEnd, to: TunnelEnd, most = Infinity): void {
    for (let left = most; left > 0 && from.sent.length > 0; left--) {
      assert.equal(to.tunnels.receive(from.sent.shift()!), null);
    }
  }

  /** Carries packets until there are none. */
  settle(): void {
    const { client, server } = this;
    for (let wakes = -1; wakes !== client.wakes + server.wakes;) {
      wakes = client.wakes + server.wakes;
      client.tunnels.flush();
      server.tunnels.flush();
      this.deliver(client, server);
      this.deliver(server, client);
      if (client.sent.length + server.sent.length > 0) wakes = -1;
    }
  }

  /** Opens a tunnel, and returns both its ends. */
  open(early: Uint8Array = new Uint8Array()): { client: TunnelStream; server: TunnelStream } {
    let client: TunnelStream | null = null;
    this.client.tunnels.open({ host: "target.example", port: 80 }, early, {
      opened: (stream) => client = stream,
      refused: (_, error) => {
        throw error;
      },
    });
    this.settle();
    const server = this.server.tunnels.accept(this.server.requests.shift()!);
    this.settle();
    assert(client !== null && server !== null);
    return { client, server };
  }
}

/** Reads all that has come; ends with "end" or "lost". */
export function drain(stream: TunnelStream): { bytes: Uint8Array; end: "end" | "lost" | null } {
  const parts: number[] = [];
  const into = new Uint8Array(5000);
  for (;;) {
    let got: number | null | undefined;
    try {
      got = stream.readNow(into);
    } catch {
      return { bytes: Uint8Array.from(parts), end: "lost" };
    }
    if (got === null) return { bytes: Uint8Array.from(parts), end: "end" };
    if (got === undefined) return { bytes: Uint8Array.from(parts), end: null };
    for (let i = 0; i < got; i++) parts.push(into[i]!);
  }
}
