import { type Addr, formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort, type Scope } from "../../base/scope.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import { formatListenRule, listenHost } from "../../core/acl/listen_rule.ts";
import { listenAddress } from "../../core/forward/listen_address.ts";
import {
  formatListen,
  formatTo,
  type ForwardListen,
  type ForwardProtocol,
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
  readonly table: RemoteForwardTable;
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

/** Milliseconds for the server to answer for a forward that is added. */
const ANSWER_MS = 3000;

/** A remote forward, and where the server listens for it; null = nowhere at the moment. */
export interface ListedRemoteForward {
  readonly spec: RemoteForwardSpec;
  readonly bound: Addr | null;
}

/** Forwards of which the server listens; they may come and go while they run. */
export class RemoteForwardTable {
  readonly #specs: readonly RemoteForwardSpec[];
  readonly #forwards: RemoteForward[] = [];
  #running: { readonly listens: RemoteListens; readonly host: RemoteForwardHost } | null = null;

  constructor(specs: readonly RemoteForwardSpec[]) {
    this.#specs = specs;
  }

  get forwards(): readonly ListedRemoteForward[] {
    if (this.#running !== null) return this.#forwards;
    return this.#specs.map((spec) => ({ spec, bound: null }));
  }

  /** Asks for the listeners of all, on this session and on those that follow it. */
  start({ listens, exitOnFailure, onSettled }: RemoteForwards, host: RemoteForwardHost): void {
    const { tasks, streams: { log } } = host;
    this.#running = { listens, host };
    listens.onSettled = () => {
      if (!tasks.signal.aborted) onSettled?.();
    };
    for (const spec of this.#specs) {
      const failed = (error: TtunError) => {
        if (exitOnFailure) tasks.fail(error);
        else log.warn(error.message, { to: formatTo(spec) });
      };
      this.#add(new RemoteForward(spec, host, failed), listens);
    }
  }

  #add(forward: RemoteForward, listens: RemoteListens): void {
    this.#forwards.push(forward);
    listens.add(forward);
  }

  /**
   * Adds one, and waits until the server listens. Without an answer, as without a session, it is
   * asked for when there is one.
   * @throws {TtunError} unreachable, in_use, if the server refuses; usage, if it is there already
   */
  async add(spec: RemoteForwardSpec): Promise<void> {
    if (this.#running === null) throw notYet();
    const { listens, host } = this.#running;
    if (this.#find(spec.listen, spec.protocol) !== undefined && !isAnyPort(spec.listen)) {
      throw new TtunError("usage", `There is a forward of the server's ${nameOf(spec)} already`);
    }
    const answer = Promise.withResolvers<TtunError | null>();
    using _late = host.datagrams.clock.after(ANSWER_MS, () => answer.resolve(null));
    using _stop = onAbort(host.tasks.signal, () => answer.resolve(null));
    const forward: RemoteForward = new RemoteForward(spec, host, (error) => {
      host.streams.log.warn(error.message, { to: formatTo(spec) });
      answer.resolve(error);
    }, () => answer.resolve(null));
    this.#add(forward, listens);
    const error = await answer.promise;
    if (error === null) return;
    this.#drop(forward, listens);
    throw error;
  }

  /**
   * Ends the listener there, as it was asked for or as it turned out; its connections go on.
   * @throws {TtunError} usage, if there is none
   */
  remove(listen: ForwardListen, protocol: ForwardProtocol): void {
    const forward = this.#find(listen, protocol);
    if (forward === undefined || this.#running === null) {
      const where = nameOf({ listen, protocol });
      throw new TtunError("usage", `There is no forward of the server's ${where}`);
    }
    this.#drop(forward, this.#running.listens);
    const { log } = this.#running.host.streams;
    log.info("remote forward removed", { listen: forward.where, to: formatTo(forward.spec) });
  }

  #drop(forward: RemoteForward, listens: RemoteListens): void {
    const at = this.#forwards.indexOf(forward);
    if (at >= 0) this.#forwards.splice(at, 1);
    listens.remove(forward);
  }

  #find(listen: ForwardListen, protocol: ForwardProtocol): RemoteForward | undefined {
    return this.#forwards.find((forward) =>
      forward.spec.protocol === protocol && forward.listensOn(listen)
    );
  }
}

function isAnyPort(listen: ForwardListen): boolean {
  return "port" in listen && listen.port === 0;
}

function nameOf({ listen, protocol }: Pick<RemoteForwardSpec, "listen" | "protocol">): string {
  return `${formatListen(listen)}${protocol === "udp" ? "/udp" : ""}`;
}

function notYet(): TtunError {
  return new TtunError("usage", "The client has not begun yet; try again");
}

class RemoteForward implements RemoteListen, ListedRemoteForward {
  readonly kind: RemoteListen["kind"];
  readonly address: Addr;
  readonly spec: RemoteForwardSpec;
  bound: Addr | null = null;
  readonly #host: RemoteForwardHost;
  readonly #failed: (error: TtunError) => void;
  readonly #opened: () => void;

  /** `failed` is called each time that the server refuses, `opened` when it listens. */
  constructor(
    spec: RemoteForwardSpec,
    host: RemoteForwardHost,
    failed: (error: TtunError) => void,
    opened: () => void = () => {},
  ) {
    this.kind = isUdp(spec) ? OpenKind.udpListen : OpenKind.listen;
    this.address = listenAddress(spec.listen);
    this.spec = spec;
    this.#host = host;
    this.#failed = failed;
    this.#opened = opened;
  }

  /** The address on which the server listens, else the one that it was asked for. */
  get where(): string {
    return this.bound === null ? formatListen(this.spec.listen) : formatAddr(this.bound);
  }

  /** True for the address that was given, for the one that it turned out to be, or its port alone. */
  listensOn(listen: ForwardListen): boolean {
    const name = formatListen(listen);
    if (name === formatListen(this.spec.listen) || name === this.where) return true;
    const { spec, bound } = this;
    return bound !== null && "port" in bound && "port" in listen && listen.host === null &&
      "port" in spec.listen && spec.listen.host === null && bound.port === listen.port;
  }

  opened(address: Addr | null): void {
    this.bound = address ?? this.address;
    this.#host.streams.log.info("remote forward", { listen: this.where, to: formatTo(this.spec) });
    this.#opened();
  }

  refused(code: number): void {
    this.bound = null;
    this.#failed(refusal(this.spec.listen, code));
  }

  ended(): void {
    this.bound = null;
    this.#host.streams.log.warn("the server has ended a remote forward", {
      listen: formatListen(this.spec.listen),
      to: formatTo(this.spec),
    });
  }

  accepted(stream: MuxStream, from: Addr): void {
    const { streams, front, tasks } = this.#host;
    const owner = { from, account: "" };
    if (isUdp(this.spec)) {
      return serveDatagrams(this.#host.datagrams, stream, owner, this.spec.to);
    }
    const { to } = this.spec;
    if (to !== null) return connectStream(streams, stream, to, owner);
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
