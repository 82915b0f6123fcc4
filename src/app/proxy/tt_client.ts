import { formatAddr } from "../../base/addr.ts";
import { ProtocolError, toTtunError } from "../../base/errors.ts";
import { holdListener, onAbort, scope } from "../../base/scope.ts";
import type { Stream } from "../../contract/stream.ts";
import { acceptLoop } from "../accept_loop.ts";
import { dialMakingRoom } from "../make_room.ts";
import { Pending } from "../pending.ts";
import { QuietLog } from "../quiet_log.ts";
import { type Connect, ConnectError, connectFromHere } from "./egress.ts";
import { serveFront, targetText } from "./front_driver.ts";
import { MinuteSecrets } from "./minute_secrets.ts";
import { nextBytes } from "./next_bytes.ts";
import type { ProxyClientOptions } from "./options.ts";
import { Quota } from "./quota.ts";
import { Scratch } from "./scratch.ts";
import { ServerName } from "./server_name.ts";
import { TtDialer } from "./tt_dialer.ts";

/** How long a program may take for its first byte, and then for its request. */
const REQUEST_MS = 30_000;

/** Serves a local proxy whose connections go through a server, until the signal aborts. */
export async function runProxyClient(o: ProxyClientOptions): Promise<void> {
  using stack = new DisposableStack();
  const secrets = stack.use(new MinuteSecrets(o.password, o.wire));
  const cut = new AbortController();
  using _tie = onAbort(o.signal, (reason) => cut.abort(reason)); // before what the scope owns
  using _hold = holdListener(cut.signal);
  await scope(o.signal, (tasks) => {
    const client = stack.use(
      new ProxyClient({ ...o, signal: tasks.signal }, secrets, cut.signal),
    );
    tasks.spawn(() =>
      acceptLoop({
        ...o,
        signal: tasks.signal,
        take: (stream) => tasks.spawn(() => client.serve(stream)),
        makeRoom: () => client.makeRoom(),
      })
    );
  });
}

class ProxyClient implements Disposable {
  readonly #pending = new Pending();
  readonly #o: ProxyClientOptions;
  readonly #cut: AbortSignal;
  readonly #quota: Quota;
  readonly #said: QuietLog;
  readonly #scratch = new Scratch();
  readonly #here: Connect;
  readonly #tunnel: TtDialer;

  /** `cut`: as of RelayOptions. */
  constructor(o: ProxyClientOptions, secrets: MinuteSecrets, cut: AbortSignal) {
    this.#o = o;
    this.#cut = cut;
    this.#quota = new Quota(o.limits);
    this.#said = new QuietLog(o.log, () => o.clock.now());
    const dialer = dialMakingRoom(o.dialer, () => this.makeRoom());
    this.#here = connectFromHere({ ...o, dialer, connectMs: o.limits.connectMs, rules: null });
    const resolver = new ServerName(o.resolver, o.clock, o.signal);
    this.#tunnel = new TtDialer({ ...o, dialer, resolver, scratch: this.#scratch, secrets });
  }

  /** When descriptors run out: first goes what nobody uses. False when there is nothing. */
  makeRoom(): boolean {
    return this.#tunnel.dropIdle() || this.#pending.dropOldest();
  }

  [Symbol.dispose](): void {
    this.#tunnel[Symbol.dispose]();
  }

  readonly #connect: Connect = (target, o) =>
    this.#o.direct.matches(target.host) ? this.#here(target, o) : this.#tunnel.connect(target, o);

  /** One connection from accept to close. Never throws: what it meets is its own end only. */
  async serve(stream: Stream): Promise<void> {
    await using owned = stream;
    const { log, signal } = this.#o;
    const peer = formatAddr(owned.remote);
    let to = targetText(null);
    try {
      using place = this.#quota.take(owned.remote);
      if (place === null) {
        this.#said.warn("no place for another connection", { peer });
        return owned.reset();
      }
      owned.tune({ noDelay: true });
      const first = await this.#first(owned);
      if (first === null) return;
      const count = await serveFront(owned, first, {
        clock: this.#o.clock,
        scratch: this.#scratch,
        idleMs: this.#o.limits.idleMs,
        cut: this.#cut,
        requestMs: REQUEST_MS,
        auth: this.#o.auth,
        signal,
        connect: this.#connect,
        onTarget: (target) => {
          to = targetText(target);
          log.debug("connect", { peer, target: to });
        },
        onRefused: (thrown) => this.#tell(thrown, peer, to),
        ...(this.#o.isEager && { isEager: (target) => !this.#o.direct.matches(target.host) }),
      });
      log.debug("done", { peer, target: to, ...count });
    } catch (thrown) {
      // Why there is no target has been told.
      if (!signal.aborted && !(thrown instanceof ConnectError)) this.#tell(thrown, peer, to);
    }
  }

  /** What a program says first; null when it says nothing. */
  async #first(stream: Stream): Promise<Uint8Array | null> {
    using _pending = this.#pending.add(stream.remote, () => stream.reset());
    using _deadline = this.#o.clock.after(REQUEST_MS, () => void stream[Symbol.asyncDispose]());
    return await nextBytes(stream, this.#scratch.message);
  }

  #tell(thrown: unknown, peer: string, target: string): void {
    const { log } = this.#o;
    if (thrown instanceof ConnectError) {
      const fields = { peer, target, why: thrown.message };
      if (thrown.failure === "tunnel") this.#said.warn("no way to the server", fields);
      else log.debug("not connected", fields);
      return;
    }
    const error = toTtunError(thrown);
    if (error.kind === "internal") return log.error(error.message, { peer, target });
    if (error instanceof ProtocolError) {
      return this.#said.warn("connection ended", { peer, target, why: error.message });
    }
    log.debug("connection ended", { peer, target, why: error.message });
  }
}
