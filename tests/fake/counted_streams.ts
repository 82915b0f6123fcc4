import type { HostPort } from "../../src/base/addr.ts";
import type { Dialer, Listener } from "../../src/contract/dial.ts";
import type { Connection } from "../../src/contract/connection.ts";
import type { MemoryNet } from "./memory.ts";
import { dial } from "../../src/app/net/dial_events.ts";
import { dialBy } from "./dialer.ts";

/** A network that knows which of the streams that it gave to a program are still open there. */
export class CountedStreams {
  readonly #net: MemoryNet;
  readonly #given = new Set<Connection>();

  constructor(net: MemoryNet) {
    this.#net = net;
  }

  /** Streams that the program has neither closed nor lost by its signal. */
  get open(): number {
    for (const stream of this.#given) {
      if (isClosed(stream)) this.#given.delete(stream);
    }
    return this.#given.size;
  }

  /** Dials as `host`. */
  dialer(host: string): Dialer {
    const inner = this.#net.dialer(host);
    return dialBy(async (to, o) => this.#note(await dial(inner, to, o)));
  }

  listen(at: HostPort, o: { signal: AbortSignal }): Listener {
    const inner = this.#net.listen(at, o);
    return {
      addr: inner.addr,
      acceptNow: (options) => {
        const stream = inner.acceptNow(options);
        return stream === null ? null : this.#note(stream);
      },
      onAcceptable: (run) => inner.onAcceptable(run),
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    };
  }

  readonly #note = (stream: Connection): Connection => {
    this.#given.add(stream);
    return stream;
  };
}

/** Returns true if a stream of the memory net was closed at this end. */
export function isClosed(stream: Connection): boolean {
  try {
    stream.setOptions({});
    return false;
  } catch {
    return true;
  }
}
