import type { Logger } from "../../base/log.ts";
import type { CongestionChoice, Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { HELLO_SIZE } from "../../core/link/v2/hello.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { PortStays } from "../hop/port_stays.ts";
import { welcome } from "../link/accept.ts";
import { proveClient } from "../link/accept_v2.ts";
import type { WireSecrets } from "../link/config.ts";
import type { FoundKey, KeyRing } from "../link/key_ring.ts";
import { streamOffer } from "../mux/limits.ts";
import type { MuxServer } from "../mux/mux_server.ts";
import type { Visitor } from "../net/gatekeeper.ts";
import { Tuner } from "../net/socket_options.ts";
import type { OtherClient, OtherJudge, OtherWire } from "../tt/other_wire.ts";

export interface ProxyLinksOptions {
  /** Of all keys, but for the secret that each has. */
  readonly secrets: Omit<WireSecrets, "s">;
  readonly keys: KeyRing;
  readonly server: MuxServer;
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined = the system's. */
  readonly congestion: CongestionChoice | undefined;
}

/**
 * Version 2 of the link on the ports of a proxy's server (docs/wire/link-v2.md, "Hello"), told from
 * tt by a connection's first 16 bytes.
 */
export class ProxyLinks implements OtherWire<FoundKey> {
  readonly size = HELLO_SIZE;
  readonly #o: ProxyLinksOptions;
  readonly #replay = new ReplayMemory();
  readonly #stays: PortStays;
  readonly #tuner: Tuner;

  constructor(o: ProxyLinksOptions) {
    this.#o = o;
    this.#tuner = new Tuner(o.log, o.congestion);
    const { clock, secrets: { wallClock }, server: { sessions } } = o;
    const move = (stream: Connection, seconds: number) => sessions.move(stream, seconds);
    this.#stays = new PortStays({ clock, wallClock, move });
  }

  /** Has clients leave ports that close, until the signal aborts. */
  run(signal: AbortSignal): Promise<never> {
    return this.#stays.watch(signal);
  }

  recognise(first: Uint8Array, group: string): OtherJudge<FoundKey> {
    const { keys, secrets } = this.#o;
    const search = keys.search(first, group);
    return {
      find: () => search.find(secrets.wallClock()),
      changed: () => search.changed(),
      [Symbol.dispose]: () => search[Symbol.dispose](),
    };
  }

  async prove(
    stream: Connection,
    found: FoundKey,
    bytes: Uint8Array,
    visitor: Visitor,
  ): Promise<OtherClient> {
    const { clock, server } = this.#o;
    const { name, s, revoked } = found;
    // Silent to a hello that is late or came before, as tt is to all that it cannot read.
    const secrets = { ...this.#o.secrets, s, mode: "v2" as const };
    const o = { secrets, clock, replay: this.#replay, onRightHello: () => visitor.recognise() };
    const first = bytes.subarray(0, HELLO_SIZE);
    const padding = await welcome(stream, first, found, o);
    const all = { hello: first, behind: bytes.subarray(HELLO_SIZE), secrets, key: name, revoked };
    const client = await proveClient(stream, all, padding, o, streamOffer());
    return {
      account: name,
      serve: async (port, portAt) => {
        using _handshake = client.handshake;
        this.#tuner.tune(stream);
        using _stay = this.#stays.add(stream, port, portAt);
        return await server.take(stream, client);
      },
    };
  }
}
