import { type Cidr, formatAddr, type HostPort } from "../base/addr.ts";
import { toTtunError, TtunError } from "../base/errors.ts";
import { offloadText } from "../base/packets.ts";
import type { Logger } from "../base/log.ts";
import { scope } from "../base/scope.ts";
import type { Clock, Resolver } from "../contract/host.ts";
import type { Paths } from "../contract/routing.ts";
import type { Dialer } from "../contract/stream.ts";
import { Backoff } from "../core/backoff.ts";
import type { ClientIdentity } from "../core/link/identity.ts";
import { dialAny } from "./dial_any.ts";
import { droppedSince, type PacketService } from "./packet_service.ts";
import { ServerName } from "./proxy/server_name.ts";
import { Tuner } from "./tuning.ts";
import { meetServer, type ServerMemory } from "./meet_server.ts";
import { PathChanged, ServerPaths } from "./server_paths.ts";
import { runSession, sessionFacts, warnOfV1 } from "./session.ts";
import type { WireSecrets } from "./wire.ts";

const DIAL_TIMEOUT = 10_000;
const NAME_TIMEOUT = 10_000;

export interface VpnClientOptions {
  server: HostPort;
  dialer: Dialer;
  resolver: Resolver;
  /** The ways to the server. */
  paths: Paths;
  /** What the server's name stands for, where that has just been asked. */
  addresses?: readonly string[];
  pump: PacketService;
  secrets: WireSecrets;
  memory: ServerMemory;
  /**
   * Called for each session before its packets: the addresses that the server gives, none where it
   * gives none. `signal` is the session's. @throws {TtunError} when the device cannot have them: the
   * session ends by it
   */
  takeAddresses: (addresses: readonly Cidr[], signal: AbortSignal) => void | Promise<void>;
  /** 16 random bytes, one for each process. */
  instance: Uint8Array;
  /** Who this client is; undefined = it does not say. */
  identity?: ClientIdentity | undefined;
  clock: Clock;
  log: Logger;
  /** The kernel's name of a congestion control for the connection; undefined = the system's. */
  congestion?: string | undefined;
  signal: AbortSignal;
  /** How many attempts may follow a failed one, in a row; Infinity = for ever. */
  retries: number;
}

/**
 * Keeps a session with the server: tries again after every failure, for as long as it may.
 * @throws the last failure when the retries are used up, or what ends the device
 */
export async function runVpnClient(o: VpnClientOptions): Promise<void> {
  await scope(o.signal, (tasks) => {
    tasks.spawn((signal) => o.pump.run(signal));
    tasks.spawn(() => new VpnClient({ ...o, signal: tasks.signal }).run());
  });
}

class VpnClient {
  readonly #o: VpnClientOptions;
  readonly #tuner: Tuner;
  readonly #backoff = new Backoff();
  readonly #paths: ServerPaths;

  constructor(o: VpnClientOptions) {
    const { addresses = [], server: { host } } = o;
    this.#paths = new ServerPaths(o.paths, o.clock, addresses);
    const known = { host, addresses };
    const name = new ServerName(o.resolver, { ...o, freshMs: 0, known });
    this.#o = {
      ...o,
      dialer: this.#paths.dialer(o.dialer),
      resolver: this.#paths.resolver(name),
    };
    this.#tuner = new Tuner(o.log, o.congestion);
  }

  async run(): Promise<never> {
    const { log, secrets, signal } = this.#o;
    for (let failures = 0;;) {
      const { error, wasUp } = await this.#attempt();
      signal.throwIfAborted();
      const isMoved = error instanceof PathChanged;
      if (wasUp) failures = 1;
      else if (!isMoved) failures++;
      if (failures > this.#o.retries) throw error;
      if (isMoved) {
        this.#backoff.restart();
        this.#paths.moved();
        log.info(`${error.message}; connecting again at once`);
        continue;
      }
      const pause = this.#backoff.pause(secrets.rng(1)[0]! / 256);
      log.warn(error.message, { retry_in_seconds: Math.round(pause / 100) / 10 });
      if (await this.#paths.pause(pause, signal)) {
        this.#backoff.restart();
        log.info("There is another way to the server now: connecting at once");
      }
    }
  }

  /** One connection from dial to its end; what ended it. */
  async #attempt(): Promise<{ error: TtunError; wasUp: boolean }> {
    const { clock, log, pump, server } = this.#o;
    let since = null as number | null;
    const before = { ...pump.counters };
    let rttMs = () => NaN;
    const traffic = { sentBytes: 0, receivedBytes: 0 };
    try {
      log.debug("connecting", { server: formatAddr(server) });
      // A scope for each session: what hangs on its signal goes with it.
      await scope(this.#o.signal, async (tasks) => {
        const { signal } = tasks;
        using watch = this.#paths.watch(tasks);
        await using stream = await dialAny({
          ...this.#o,
          to: server,
          nameMs: NAME_TIMEOUT,
          timeoutMs: DIAL_TIMEOUT,
          signal,
        });
        watch.connected(stream);
        this.#tuner.tune(stream);
        const peer = await meetServer(stream, { ...this.#o, device: pump.device });
        await using link = peer.link;
        rttMs = peer.rttMs ?? rttMs;
        since = clock.now();
        const at = formatAddr(stream.remote);
        watch.begun(peer, at);
        const { protocol } = stream.info();
        const onUp = () => {
          log.info("authenticated", {
            server: at,
            protocol,
            wire: peer.wire,
            offload: offloadText(link.offload),
          });
          if (peer.wire === "v1" && this.#o.secrets.mode === "auto") warnOfV1(log, at);
        };
        await this.#o.takeAddresses(peer.addresses ?? [], signal);
        await runSession(peer, link, pump, { peer: at, addresses: [], traffic, onUp }, signal);
      });
      const words = `Lost the connection with ${formatAddr(server)}: the server closed it`;
      return { error: new TtunError("lost", words), wasUp: true };
    } catch (thrown) {
      return { error: toTtunError(thrown), wasUp: since !== null };
    } finally {
      if (since !== null) {
        this.#backoff.sessionEnded(clock.now() - since);
        log.info("disconnected", {
          ...sessionFacts(clock, since, traffic, rttMs()),
          ...droppedSince(before, pump.counters),
        });
      }
    }
  }
}
