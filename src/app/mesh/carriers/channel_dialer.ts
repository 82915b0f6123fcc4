import type { HostPort } from "../../../base/addr.ts";
import { toTtunError, TtunError, UnreachableError } from "../../../base/errors.ts";
import { onAbort } from "../../../base/scope.ts";
import { startClose } from "../../../base/start_close.ts";
import type { Connection } from "../../../contract/connection.ts";
import type { Clock } from "../../../contract/host.ts";
import {
  type ChoiceStep,
  type MeshTransport,
  TransportChoice,
  type TransportMode,
} from "../../../core/mesh/transport_choice.ts";
import type { WireSecrets } from "../../link/config.ts";
import type { SessionMemory } from "../../mux/session_memory.ts";
import { PairedChannel } from "./paired_channel.ts";
import type { PeerChannel } from "../links/peer_channel.ts";
import { quicChannel } from "./quic_channel.ts";
import { V2Carrier } from "./v2_carrier.ts";

export interface ChannelDialerOptions {
  readonly mode: TransportMode;
  readonly clock: Clock;
  readonly memory: SessionMemory;
  /** With the cluster's secret that new links have. */
  readonly secrets: () => WireSecrets;
  /** Channels live under it. */
  readonly signal: AbortSignal;
  /** Connects by TCP; the connection lives under `life`. @throws {TtunError} */
  readonly dialTcp: (to: HostPort, o: DialSignals) => Promise<Connection>;
  /** Connects by QUIC with a node that has this name in its certificate; null = there is no QUIC. */
  readonly dialQuic: ((to: HostPort, name: string, o: DialSignals) => Promise<Connection>) | null;
}

export interface DialSignals {
  /** Ends the attempt. */
  readonly cancel: AbortSignal;
  /** Ends what has come about. */
  readonly life: AbortSignal;
}

/** Makes channels to nodes: by TCP with link version 2, or by QUIC, as `TransportChoice` says. */
export class ChannelDialer {
  readonly #o: ChannelDialerOptions;

  constructor(o: ChannelDialerOptions) {
    this.#o = o;
  }

  /**
   * Connects with a node that has this name. `refused` is called if TCP is refused while QUIC goes on.
   * @throws {TtunError}; the signal's reason
   */
  connect = async (
    to: HostPort,
    name: string,
    signal: AbortSignal,
    refused = () => {},
  ): Promise<PeerChannel> => {
    const { dialQuic, mode } = this.#o;
    if (mode === "quic" && dialQuic === null) throw noQuic();
    return await new Attempts(this.#o, to, name, signal, refused).run();
  };

  /** Connects by TCP alone, where a link goes by QUIC. @throws as `connect` */
  connectTcp = (to: HostPort, name: string, signal: AbortSignal): Promise<PeerChannel> =>
    new Attempts({ ...this.#o, mode: "tcp" }, to, name, signal, () => {}).run();
}

/** The attempts for one channel. */
class Attempts {
  readonly #o: ChannelDialerOptions;
  readonly #to: HostPort;
  readonly #name: string;
  readonly #signal: AbortSignal;
  readonly #refused: () => void;
  readonly #choice: TransportChoice;
  readonly #result = Promise.withResolvers<PeerChannel>();
  readonly #cancels = new Map<MeshTransport, AbortController>();
  readonly #made = new Map<MeshTransport, PeerChannel>();
  /** Of TCP, where there is one: it tells more. */
  #error: TtunError | null = null;
  #timer: Disposable | null = null;

  constructor(
    o: ChannelDialerOptions,
    to: HostPort,
    name: string,
    signal: AbortSignal,
    refused: () => void,
  ) {
    this.#o = o;
    this.#refused = refused;
    this.#to = to;
    this.#name = name;
    this.#signal = signal;
    this.#choice = new TransportChoice(o.dialQuic === null ? "tcp" : o.mode);
  }

  async run(): Promise<PeerChannel> {
    this.#signal.throwIfAborted();
    using _end = onAbort(this.#signal, (reason) => {
      this.#take(this.#choice.end());
      this.#result.reject(reason);
    });
    this.#take(this.#choice.start(this.#o.clock.now()));
    try {
      return await this.#result.promise;
    } finally {
      this.#timer?.[Symbol.dispose]();
    }
  }

  #take(steps: readonly ChoiceStep[]): void {
    for (const step of steps) this.#step(step);
    const { clock } = this.#o;
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    const { due, used } = this.#choice;
    if (due === Infinity || used !== null) return; // looks for TCP are made elsewhere
    this.#timer = clock.after(due - clock.now(), () => this.#take(this.#choice.tick(clock.now())));
  }

  #step(step: ChoiceStep): void {
    switch (step.do) {
      case "dial":
        return void this.#dial(step.transport); // it never rejects
      case "cancel":
        return this.#cancels.get(step.transport)?.abort(new TtunError("lost", "Not needed"));
      case "use":
        return this.#result.resolve(this.#made.get(step.transport)!);
      case "drop":
        return this.#made.get(step.transport)?.[Symbol.dispose]();
      case "fail":
        return this.#result.reject(this.#error);
      default:
        step satisfies never;
    }
  }

  async #dial(transport: MeshTransport): Promise<void> {
    const cancel = new AbortController();
    this.#cancels.set(transport, cancel);
    try {
      const made = transport === "tcp"
        ? await this.#byTcp(cancel.signal)
        : await this.#byQuic(cancel.signal);
      this.#made.set(transport, made);
      if (cancel.signal.aborted) made[Symbol.dispose]();
      else this.#take(this.#choice.connected(transport, this.#o.clock.now()));
    } catch (thrown) {
      if (cancel.signal.aborted) return;
      const error = toTtunError(thrown);
      if (transport === "tcp" || this.#error === null) this.#error = error;
      this.#take(this.#choice.failed(transport));
      const isRefused = error instanceof UnreachableError && error.reason === "refused";
      if (transport === "tcp" && isRefused && this.#choice.isOpen) this.#refused();
    }
  }

  async #byTcp(cancel: AbortSignal): Promise<PeerChannel> {
    const { clock, dialTcp, memory, secrets, signal } = this.#o;
    const stream = await dialTcp(this.#to, { cancel, life: signal });
    using _cancelled = onAbort(cancel, () => stream.reset());
    let channel: PairedChannel | null = null;
    const carrier = await V2Carrier.dial(stream, {
      ...{ secrets: secrets(), clock, memory, signal },
      onStream: (opened) => channel === null ? opened.reset() : channel.addBulk(opened),
    });
    try {
      const { binding, peer, writeNow } = carrier;
      const over = () => carrier[Symbol.dispose]();
      const o = { transport: "tcp", peer, binding, over, writeNow } as const;
      return channel = new PairedChannel(await carrier.open(), o, () => carrier.open());
    } catch (error) {
      carrier[Symbol.dispose]();
      throw error;
    }
  }

  async #byQuic(cancel: AbortSignal): Promise<PeerChannel> {
    const { dialQuic, signal } = this.#o;
    const stream = await dialQuic!(this.#to, this.#name, { cancel, life: signal });
    if (cancel.aborted) {
      startClose(stream);
      cancel.throwIfAborted();
    }
    return quicChannel(stream);
  }
}

function noQuic(): UnreachableError {
  return new UnreachableError(
    "network",
    "Cannot link with nodes by QUIC: Deno was started without --unstable-net; leave --transport away",
  );
}
