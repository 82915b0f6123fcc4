import { type Addr, formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Scope } from "../../base/scope.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import { formatListenRule, listenHost } from "../../core/acl/listen_rule.ts";
import { listenAddress } from "../../core/forward/listen_address.ts";
import {
  formatListen,
  formatTo,
  type ForwardListen,
  isUdp,
  type RemoteForwardSpec,
} from "../../core/forward/spec.ts";
import { OPENED, OpenKind, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { RemoteListen, RemoteListens } from "../mux/remote_listens.ts";
import { type DatagramHost, serveDatagrams } from "../mux/served_datagrams.ts";
import { connectStream, type StreamHost } from "../mux/served_stream.ts";
import type { ProxyFront } from "./proxy_front.ts";

export interface RemoteForwards {
  readonly specs: readonly RemoteForwardSpec[];
  readonly listens: RemoteListens;
  /** Connects this end to the targets. */
  readonly outbound: Outbound<ForwardTarget>;
  /** Sends datagrams from this end to the targets. */
  readonly datagrams: Pick<DatagramHost, "sockets" | "resolver">;
  /** A server that does not listen is an error; otherwise the log says so. */
  readonly exitOnFailure: boolean;
  /** Called once, when there is a session and the server has answered for all of them. */
  readonly onSettled?: (() => void) | undefined;
}

export interface RemoteForwardHost {
  readonly streams: StreamHost;
  readonly datagrams: DatagramHost;
  /** Serves those without a target of their own. */
  readonly front: ProxyFront;
  readonly tasks: Scope;
}

/** Asks for the listeners of all remote forwards, on this session and on those that follow it. */
export function requestRemoteForwards(
  { specs, listens, exitOnFailure, onSettled }: RemoteForwards,
  host: RemoteForwardHost,
): void {
  listens.onSettled = () => {
    if (!host.tasks.signal.aborted) onSettled?.();
  };
  for (const spec of specs) listens.add(new RemoteForward(spec, host, exitOnFailure));
}

class RemoteForward implements RemoteListen {
  readonly kind: RemoteListen["kind"];
  readonly address: Addr;
  readonly #spec: RemoteForwardSpec;
  readonly #host: RemoteForwardHost;
  readonly #exitOnFailure: boolean;

  constructor(spec: RemoteForwardSpec, host: RemoteForwardHost, exitOnFailure: boolean) {
    this.kind = isUdp(spec) ? OpenKind.udpListen : OpenKind.listen;
    this.address = listenAddress(spec.listen);
    this.#spec = spec;
    this.#host = host;
    this.#exitOnFailure = exitOnFailure;
  }

  bound(address: Addr | null): void {
    const listen = address === null ? formatListen(this.#spec.listen) : formatAddr(address);
    this.#host.streams.log.info("remote forward", { listen, to: formatTo(this.#spec) });
  }

  refused(code: number): void {
    const { streams: { log }, tasks } = this.#host;
    const error = refusal(this.#spec.listen, code);
    if (this.#exitOnFailure) return tasks.fail(error);
    log.warn(error.message, { to: formatTo(this.#spec) });
  }

  ended(): void {
    this.#host.streams.log.warn("the server has ended a remote forward", {
      listen: formatListen(this.#spec.listen),
      to: formatTo(this.#spec),
    });
  }

  accepted(stream: MuxStream, from: Addr): void {
    const { streams, front, tasks } = this.#host;
    if (isUdp(this.#spec)) {
      return serveDatagrams(this.#host.datagrams, stream, from, this.#spec.to);
    }
    const { to } = this.#spec;
    if (to !== null) return connectStream(streams, stream, to, from);
    stream.answer(OPENED, null);
    tasks.enter();
    front.serve(stream, from, tasks.leave);
  }
}

function refusal(listen: ForwardListen, code: number): TtunError {
  const failed = (kind: TtunError["kind"], why: string) =>
    new TtunError(kind, `Cannot forward ${formatListen(listen)} of the server: ${why}`);
  if (code === Refusal.notAllowed) {
    const rule = formatListenRule(
      "path" in listen
        ? listen
        : { host: listen.host === null ? null : listenHost(listen.host), port: listen.port },
    );
    return failed(
      "unreachable",
      `it may not listen there; start the server with --permit-listen ${rule}`,
    );
  }
  if (code === Refusal.taken) {
    return failed(
      "in_use",
      "another program listens there, or an earlier client whose session is kept " +
        "(--keep-session); end it, or choose another port",
    );
  }
  if (code === Refusal.notSupported) {
    return failed(
      "unreachable",
      "it does not listen for this; update the server, or run it on Linux (UDP)",
    );
  }
  return failed("unreachable", "it cannot listen there; its log says why");
}
