import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { MuxClient } from "../mux/mux_client.ts";
import { joinMeeting, type MeetingStream, type MeetOptions } from "../meet/meet.ts";
import { ConnectError } from "../net/connect_error.ts";
import { ForwardedStream } from "../net/forwarded_stream.ts";
import { type LinkClientOptions, openLinkClient } from "./link_client.ts";

/** A server where two ends meet. */
export interface Via
  extends Pick<LinkClientOptions, "server" | "dialer" | "resolver" | "secrets" | "clock" | "log"> {
  /** Its name for logs. */
  readonly name: string;
}

/** A session with the server, over one connection from the port that the other end connects to. */
export class ViaSession implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #client: MuxClient;
  readonly #ended: Promise<unknown>;

  /** Begins to connect. It lives under `signal`, which ends it as dispose does. */
  constructor(via: Via, signal: AbortSignal) {
    const { secrets } = via;
    const stack = new DisposableStack();
    stack.use(onAbort(signal, (reason) => this.#stop.abort(reason)));
    this.#client = openLinkClient({
      ...via,
      dialer: resetting(via.dialer),
      // A session would go on by a connection that has another address at the server.
      keepMs: 0,
      retries: 0,
      endsWithSession: true,
      instance: secrets.rng(16),
      signal: this.#stop.signal,
    }, stack);
    this.#ended = this.#client.run(this.#stop.signal)
      .then(() => {}, (error) => error).finally(() => stack.dispose());
  }

  /** @throws {TtunError} why the server cannot be reached; as `joinMeeting` */
  async join(o: MeetOptions): Promise<MeetingStream> {
    try {
      return await joinMeeting(this.#client.outbound, o);
    } catch (error) {
      if (!(error instanceof ConnectError) || error.failure !== "tunnel") throw error;
      this.#stop.abort(error);
      throw await this.#ended;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new TtunError("lost", "The meeting is over"));
    await this.#ended;
  }
}

/** Dials connections that leave nothing behind at this port: the next one may follow at once. */
function resetting(dialer: Dialer): Dialer {
  return {
    ...(dialer.limitsSegments !== undefined && { limitsSegments: dialer.limitsSegments }),
    start: (to, o, events) =>
      dialer.start(to, o, {
        connected: (stream) => events.connected(new ResetConnection(stream)),
        failed: (error) => events.failed(error),
      }),
  };
}

/**
 * A connection that ends by RST instead of FIN, which would keep its two addresses for a minute
 * (TIME-WAIT, RFC 9293 section 3.6.1). Its protocol says by itself when it ends.
 */
class ResetConnection extends ForwardedStream<Connection> implements Connection {
  get peer(): string {
    return this.inner.peer;
  }

  get local() {
    return this.inner.local;
  }

  get remote() {
    return this.inner.remote;
  }

  get congestion(): string {
    return this.inner.congestion;
  }

  closeWrite(): void {}

  reset(): void {
    this.inner.reset();
  }

  stats(): ConnectionStats {
    return this.inner.stats();
  }

  setOptions(options: SocketOptions): string[] {
    return this.inner.setOptions(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.inner.reset();
    return Promise.resolve();
  }
}
