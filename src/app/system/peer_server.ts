import { TtunError } from "../../base/errors.ts";
import { abortable, type Scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Listener } from "../../contract/dial.ts";
import { OPENED, OpenKind, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { OnePeer } from "../link/one_peer.ts";
import { MuxServer } from "../mux/mux_server.ts";
import { acceptAll } from "../net/accept_all.ts";
import { Tuner } from "../net/socket_options.ts";
import { sleep } from "../loop/sleep.ts";
import {
  deadTimeOf,
  isBroken,
  otherKey,
  peerLost,
  type PeerSessionOptions,
  PIPE,
  PIPE_END,
  pipeScope,
  type ReachPeer,
  retryBroken,
} from "./peer_session.ts";

/** Milliseconds for the client to end the session, when all is done. */
const FAREWELL_MS = 3000;

/** Milliseconds in which a peer that had no pipe yet may come again; a kept one has more. */
const RETURN_MS = 60_000;

/** Makes connections with a peer of known address, one after the other. */
interface ByAddress {
  readonly reach: ReachPeer;
}

/** Waits for whoever has the key, so many milliseconds; strangers may come too. */
interface ByListeners {
  readonly listeners: readonly Listener[];
  readonly waitMs: number;
  /** Called once, when they are served: tells the peer that it may come. */
  readonly begin?: () => Promise<void>;
}

export interface PeerServerOptions extends PeerSessionOptions {
  readonly way: ByAddress | ByListeners;
}

/**
 * Carries bytes between standard input and output and one peer that comes to this end, until both
 * ways have ended and each end has written all that came.
 * @throws {TtunError} auth, unreachable, timeout, lost; the signal's reason
 */
export async function runPeerServer(o: PeerServerOptions): Promise<void> {
  await retryBroken(o, (proved) => runOnce(o, proved), isBroken);
}

async function runOnce(o: PeerServerOptions, proved: () => void): Promise<void> {
  const { stdio, clock, way } = o;
  await pipeScope(o, ({ tasks, relays, stack, beforeEnd }) => {
    const one = new PeerServer(o, tasks);
    stack.use(one.server);
    beforeEnd(() => one.server.sessions.sayGoingDown());
    if ("reach" in way) {
      tasks.spawn(async (signal) => {
        await one.serveByAddress(way, signal);
        tasks.cancel();
      });
    } else one.serveByListeners(way);
    tasks.spawn(async (signal) => {
      const stream = await abortable(one.opened.promise, signal);
      proved();
      o.onUp();
      stream.answer(OPENED, null);
      await relays.run(stdio, stream);
      const end = await abortable(one.ended.promise, signal);
      one.isDone = true;
      end.answer(OPENED, null);
      await sleep(clock, FAREWELL_MS, signal);
      tasks.cancel();
    });
  });
}

/** The server of one peer: whoever comes first with the key. */
class PeerServer {
  readonly server: MuxServer;
  /** Streams that the peer has opened, not answered yet. */
  readonly opened = Promise.withResolvers<MuxStream>();
  readonly ended = Promise.withResolvers<MuxStream>();
  /** Both ends have written all. */
  isDone = false;
  readonly #o: PeerServerOptions;
  readonly #tasks: Scope;
  #isUp = false;
  #isReturning = false;
  readonly #peer: OnePeer;
  readonly #tuner: Tuner;

  constructor(o: PeerServerOptions, tasks: Scope) {
    this.#o = o;
    this.#tasks = tasks;
    const { secrets, clock, log, keepMs, way } = o;
    this.#tuner = new Tuner(log, o.congestion);
    this.#peer = new OnePeer(clock, "reach" in way ? Infinity : way.waitMs);
    const { signal } = tasks;
    const asked = new Map([[PIPE, this.opened], [PIPE_END, this.ended]]);
    this.server = new MuxServer({
      ...{ clock, log, keepMs, signal },
      deadTime: deadTimeOf(o),
      secrets: { ...secrets, guard: this.#peer.guard },
      onOpened: (stream, { kind, service = "" }) => {
        const asking = kind === OpenKind.service ? asked.get(service) : undefined;
        if (asking === undefined) return stream.answer(Refusal.notSupported, null);
        asked.delete(service);
        this.#isUp = true;
        asking.resolve(stream);
      },
      onRejected: (error) => {
        if (this.#isUp || !("reach" in way) || isBroken(error)) return;
        tasks.spawn(() => Promise.reject(otherKey(error)));
      },
    });
  }

  /** Returns when all is done. @throws {TtunError} lost, unreachable */
  async serveByAddress({ reach }: ByAddress, signal: AbortSignal): Promise<void> {
    do {
      await this.#serve(await reach(signal));
      if (this.isDone) return;
    } while (this.#isUp && this.#o.keepMs > 0);
    if (this.#isUp) throw peerLost();
    throw new TtunError("lost", "Lost the connection with the peer at once");
  }

  async #serve(stream: Connection): Promise<void> {
    this.#tuner.tune(stream);
    await this.server.serve(stream);
  }

  serveByListeners({ listeners, waitMs, begin }: ByListeners): void {
    const { clock, log, signal, keepMs } = this.#o;
    const tasks = this.#tasks;
    acceptAll(tasks, {
      ...{ clock, log, signal, listeners },
      serve: async (stream) => {
        await this.#serve(stream);
        if (this.#hasCarrier) return;
        if (!this.#isUp) this.#awaitReturn();
        else if (this.isDone) tasks.cancel();
        else if (keepMs === 0) throw peerLost();
      },
      evictIdle: () => this.server.evictIdle(),
    });
    tasks.spawn(async (signal) => {
      if (begin !== undefined) await abortable(begin(), signal);
      await sleep(clock, waitMs, signal);
      if (this.#peer.isTaken) return;
      const seconds = Math.round(waitMs / 1000);
      const words = `Nobody has come with the ticket within ${seconds} s; it is void now`;
      throw new TtunError("timeout", words);
    });
  }

  /** Nobody else can come with a ticket that is used: without its peer this end would wait for ever. */
  #awaitReturn(): void {
    if (!this.#peer.isTaken || this.#isReturning) return;
    this.#isReturning = true;
    const { clock, keepMs } = this.#o;
    this.#tasks.spawn(async (signal) => {
      await sleep(clock, Math.max(RETURN_MS, keepMs), signal);
      this.#isReturning = false;
      if (this.#isUp || this.#hasCarrier) return;
      const words =
        "Lost the peer before the pipe was there, and it has not come back: its ticket " +
        "is used now, and another run prints a new one";
      throw new TtunError("timeout", words);
    });
  }

  get #hasCarrier(): boolean {
    return this.server.sessions.hasCarriers;
  }
}
