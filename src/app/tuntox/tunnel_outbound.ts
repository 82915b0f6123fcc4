import type { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import { formatTarget, type ForwardTarget, type Target } from "../../base/target.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { OpenOptions, Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import { type Failure, failureOfSocks5 } from "../../core/proxy/failure.ts";
import type { TunnelStream } from "../../core/tuntox/tunnel_stream.ts";
import type { AnswerEvents, PendingTunnel } from "../../core/tuntox/tunnels.ts";
import { sleep } from "../loop/sleep.ts";
import { ConnectError } from "../net/connect_error.ts";
import type { TunnelLink } from "./tunnel_link.ts";

/** Longest wait until all is sent, and the interval of looks at it, in milliseconds. */
const DELIVERY_MS = 10_000;
const LOOK_MS = 20;

const EMPTY = new Uint8Array();

/** Reasons of a server of ttun's; tuntox gives none. */
const WHY: Partial<Record<Failure, string>> = {
  denied: "the other end's rules do not permit it",
  refused: "it refused the connection",
  timeout: "it did not answer in time",
  network_unreachable: "the other end has no way there",
  host_unreachable: "the other end has no way there, or finds no address of the name",
};

/** Opens tunnels; while the link is down they wait for it, as long as for an answer. */
export class TunnelOutbound implements Outbound<ForwardTarget> {
  readonly #link: TunnelLink;
  readonly #onOver: () => void;

  /** `onOver`: called when a tunnel has ended at both sides, though data may wait for its reader. */
  constructor(link: TunnelLink, onOver: () => void = () => {}) {
    this.#link = link;
    this.#onOver = onOver;
  }

  readonly open = (
    target: ForwardTarget,
    o: OpenOptions,
    events: DialEvents<Stream>,
  ): boolean | void => {
    const fail = (failure: Failure, why: string) =>
      events.failed(new ConnectError(failure, `${formatTarget(target)}: ${why}`));
    if ("path" in target) return fail("general", "tuntox's wire knows no unix sockets");
    if (!this.#link.tunnels.canOpen) return fail("exhausted", "there are too many tunnels");
    new Opening(this.#link, target, o, events, this.#onOver).begin();
  };

  /** Resolves when the link has taken all that there was to send, or after 10 s. */
  async delivered(clock: Clock, signal: AbortSignal): Promise<void> {
    const until = clock.now() + DELIVERY_MS;
    for (;;) { // what was written just now is sent after the first wait
      await sleep(clock, LOOK_MS, signal);
      if (this.#link.tunnels.isFlushed || clock.now() >= until) return;
    }
  }
}

/** One request, until it is answered. */
class Opening implements AnswerEvents {
  readonly #link: TunnelLink;
  readonly #target: Target;
  readonly #o: OpenOptions;
  readonly #events: DialEvents<Stream>;
  readonly #onOver: () => void;
  #pending: PendingTunnel | null = null;
  #registration: Disposable | null = null;

  constructor(
    link: TunnelLink,
    target: Target,
    o: OpenOptions,
    events: DialEvents<Stream>,
    onOver: () => void,
  ) {
    this.#onOver = onOver;
    this.#link = link;
    this.#target = target;
    this.#o = o;
    this.#events = events;
  }

  begin(): void {
    const { signal, cancel = signal, early = EMPTY } = this.#o;
    this.#pending = this.#link.tunnels.open(this.#target, early, this);
    this.#registration = onAbort(cancel, (reason) => {
      this.#pending!.cancel();
      this.#events.failed(reason);
    });
  }

  /** The stream lives under the opener's signal. */
  opened(stream: TunnelStream): void {
    this.#registration![Symbol.dispose]();
    const registration = onAbort(this.#o.signal, () => stream.reset());
    stream.onOver = () => {
      registration[Symbol.dispose]();
      this.#onOver();
    };
    this.#events.connected(stream);
  }

  refused(code: number | null, error: TtunError): void {
    this.#registration![Symbol.dispose]();
    const to = formatTarget(this.#target);
    if (code !== null) {
      const failure = failureOfSocks5(code);
      const why = WHY[failure] ?? "the other end could not connect; its log says why";
      this.#events.failed(new ConnectError(failure, `${to}: ${why}`));
    } else if (!this.#link.link.isUp) {
      const words = `${to}: there is no link with ${this.#link.link.peer}`;
      this.#events.failed(new ConnectError("tunnel", words, { cause: error }));
    } else {
      const failure = error.kind === "timeout" ? "timeout" : "general";
      this.#events.failed(new ConnectError(failure, error.message, { cause: error }));
    }
  }
}
