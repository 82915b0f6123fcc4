import type { Dialer, DialEvents, DialOptions } from "../../src/contract/dial.ts";
import type { Connection } from "../../src/contract/connection.ts";
import type { ClientOptions, ClientRun, ProxyWorld } from "./proxy.ts";
import { CLIENT_HOST } from "./proxy.ts";
import { dial, tell } from "../../src/app/net/dial_events.ts";
import type { Addr } from "../../src/base/addr.ts";

/** A dialer that writes down what is dialled, and each connection's flights: `>` out, `<` in. */
export class WatchedDialer implements Dialer {
  readonly dialled: string[] = [];
  readonly flights: string[] = [];
  readonly #inner: Dialer;

  constructor(inner: Dialer) {
    this.#inner = inner;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): void {
    tell(events, this.#dial(to, o));
  }

  async #dial(to: Addr, o: DialOptions): Promise<Connection> {
    this.dialled.push("host" in to ? `${to.host}:${to.port}` : to.path);
    const stream = await dial(this.#inner, to, o);
    const index = this.flights.push("") - 1;
    const note = (sign: string) => {
      if (!this.flights[index]!.endsWith(sign)) this.flights[index] += sign;
    };
    const writeNow = stream.writeNow.bind(stream);
    const readNow = stream.readNow.bind(stream);
    stream.writeNow = (bytes) => {
      if (bytes.length > 0) note(">");
      return writeNow(bytes);
    };
    stream.readNow = (into) => {
      const got = readNow(into);
      if (typeof got === "number" && got > 0) note("<");
      return got;
    };
    return stream;
  }
}

/** A client whose connections to its server are written down. */
export function watched(
  world: ProxyWorld,
  o: ClientOptions = {},
): { dialer: WatchedDialer; client: ClientRun } {
  const dialer = new WatchedDialer(world.net.dialer(CLIENT_HOST));
  return { dialer, client: world.client({ ...o, dialer }) };
}
