import assert from "node:assert/strict";
import { FriendStreams } from "../../src/core/tuntox/friend_streams.ts";
import type { UnreadTotal } from "../../src/core/tuntox/unread_total.ts";
import type { FriendStream } from "../../src/core/tuntox/friend_stream.ts";

/** One end of a link of packets that has no wire, and holds to the sender's promises. */
export class FriendStreamEnd {
  readonly streams: FriendStreams;
  /** Streams that the other end has opened. */
  readonly accepted: FriendStream[] = [];
  /** Packets that the link has taken, and the other end has not. */
  readonly sent: Uint8Array[] = [];
  /** Packets that the link takes now. */
  room = Infinity;
  wakes = 0;
  refusals = 0;
  #refused: Uint8Array | null = null;

  constructor(
    role: "client" | "server",
    now: () => number,
    { accepts = role === "server", firstWindow = 64 * 1024, total }: {
      accepts?: boolean;
      firstWindow?: number;
      total?: UnreadTotal;
    } = {},
  ) {
    this.streams = new FriendStreams({
      role,
      peer: role === "client" ? "server" : "client",
      send: (packet) => this.#send(packet),
      now,
      ...{ firstWindow, total },
      wake: () => void this.wakes++,
      ...(accepts && { accept: (stream: FriendStream) => this.accepted.push(stream) > 0 }),
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

/** A client and a server of streams at two ends of such a link. */
export class FriendStreamPair {
  now = 0;
  readonly client: FriendStreamEnd;
  readonly server: FriendStreamEnd;

  /** `total`: the server's. */
  constructor({ accepts = true, firstWindow, total }: {
    accepts?: boolean;
    firstWindow?: number;
    total?: UnreadTotal;
  } = {}) {
    const now = () => this.now;
    const window = firstWindow === undefined ? {} : { firstWindow };
    this.client = new FriendStreamEnd("client", now, window);
    const counted = total === undefined ? {} : { total };
    this.server = new FriendStreamEnd("server", now, { accepts, ...window, ...counted });
  }

  /** Delivers up to `most` packets from one end to the other. */
  deliver(from: FriendStreamEnd, to: FriendStreamEnd, most = Infinity): void {
    for (let left = most; left > 0 && from.sent.length > 0; left--) {
      assert.equal(to.streams.receive(from.sent.shift()!), null);
    }
  }

  /** Carries packets until there are none. */
  settle(): void {
    const { client, server } = this;
    for (let wakes = -1; wakes !== client.wakes + server.wakes;) {
      wakes = client.wakes + server.wakes;
      client.streams.flush();
      server.streams.flush();
      this.deliver(client, server);
      this.deliver(server, client);
      if (client.sent.length + server.sent.length > 0) wakes = -1;
    }
  }

  /** Opens a stream, and returns both its ends. */
  open(): { client: FriendStream; server: FriendStream } {
    let client: FriendStream | null = null;
    this.client.streams.open({
      opened: (stream) => client = stream,
      refused: (error) => {
        throw error;
      },
    });
    this.settle();
    const server = this.server.accepted.shift()!;
    assert(client !== null && server !== undefined);
    return { client, server };
  }
}
