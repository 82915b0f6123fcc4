import { toTtunError } from "../../base/errors.ts";
import { holdListener, onAbort, scope } from "../../base/scope.ts";
import type { Stream } from "../../contract/stream.ts";
import { acceptLoop } from "../accept_loop.ts";
import { dialMakingRoom } from "../make_room.ts";
import { Pending } from "../pending.ts";
import { QuietLog } from "../quiet_log.ts";
import { connectFromHere } from "./egress.ts";
import { LoginLimit } from "./login_limit.ts";
import { MinuteSecrets } from "./minute_secrets.ts";
import type { ProxyClientOptions } from "./options.ts";
import { Program, type ProgramHost, REQUEST_MS } from "./program.ts";
import { Quota } from "./quota.ts";
import { Relays } from "./relay.ts";
import { Scratch } from "./scratch.ts";
import { ServerName } from "./server_name.ts";
import { TtDialer } from "./tt_dialer.ts";

/** Serves a local proxy whose connections go through a server, until the signal aborts. */
export async function runProxyClient(o: ProxyClientOptions): Promise<void> {
  using stack = new DisposableStack();
  const secrets = stack.use(new MinuteSecrets(o.password, o.wire));
  const cut = new AbortController();
  using _tie = onAbort(o.signal, (reason) => cut.abort(reason)); // before what the scope owns
  using _hold = holdListener(cut.signal);
  await scope(o.signal, (tasks) => {
    const relays = stack.use(
      new Relays({ ...o, ...o.limits, scratch: new Scratch(), cut: cut.signal }),
    );
    const client = stack.use(
      new ProxyClient({ ...o, signal: tasks.signal }, secrets, relays),
    );
    if (o.checksServer) tasks.spawn(() => client.check());
    tasks.spawn(() =>
      acceptLoop({
        ...o,
        signal: tasks.signal,
        take: (stream) => {
          tasks.enter();
          return client.serve(stream, tasks.leave);
        },
        makeRoom: () => client.makeRoom(),
      })
    );
  });
}

class ProxyClient implements Disposable {
  readonly #o: ProxyClientOptions;
  readonly #pending = new Pending();
  readonly #tunnel: TtDialer;
  readonly #programs: ProgramHost;

  constructor(o: ProxyClientOptions, secrets: MinuteSecrets, relays: Relays) {
    this.#o = o;
    const { scratch } = relays.options;
    const dialer = dialMakingRoom(o.dialer, () => this.makeRoom());
    const here = connectFromHere({ ...o, dialer, connectMs: o.limits.connectMs, rules: null });
    const resolver = new ServerName(o.resolver, o);
    const tunnel = new TtDialer({ ...o, dialer, resolver, scratch, secrets });
    this.#tunnel = tunnel;
    const quota = new Quota(o.limits);
    o.onCounters?.(() => ({
      connections: quota.count,
      served: quota.taken,
      pending: this.#pending.size,
    }));
    this.#programs = {
      ...o,
      pending: this.#pending,
      quota,
      said: new QuietLog(o.log, () => o.clock.now()),
      logins: o.auth === null ? null : new LoginLimit(() => o.clock.now()),
      front: {
        relays,
        auth: o.auth,
        signal: o.signal,
        requestMs: REQUEST_MS,
        connect: (target, how, events) =>
          (o.direct.matches(target.host) ? here : tunnel.connect)(target, how, events),
        ...(o.isEager && { isEager: (target) => !o.direct.matches(target.host) }),
      },
    };
  }

  /** Says whether the server answers now; that it does not is no end: each connection tries anew. */
  async check(): Promise<void> {
    const { log, server, signal } = this.#o;
    try {
      const ms = await this.#tunnel.check();
      log.info("the server answers, and has the same key", { server, ms: Math.round(ms) });
    } catch (error) {
      if (signal.aborted) return;
      const why = toTtunError(error).message;
      log.warn("no way to the server yet; each connection tries again", { server, why });
    }
  }

  /** When descriptors run out: first goes what nobody uses. False when there is nothing. */
  makeRoom(): boolean {
    return this.#tunnel.dropIdle() || this.#pending.dropOldest();
  }

  [Symbol.dispose](): void {
    this.#tunnel[Symbol.dispose]();
  }

  /** Owns the stream. `onOver` is told when its connection is over. Returns as `OnReady`. */
  serve(stream: Stream, onOver: () => void): boolean {
    return new Program(this.#programs, stream, onOver).begin();
  }
}
