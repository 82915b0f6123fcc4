import { FinalError, toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Signer } from "../../contract/signature.ts";
import { type AgentAnswer, proveAgent } from "../../core/gateway/agent_messages.ts";
import { ROUTE_MS, signRoute } from "../../core/gateway/route.ts";
import type { Certified } from "../../core/mesh/admission/join_answer.ts";
import type { WireSecrets } from "../link/config.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import type { SessionMemory } from "../mux/session_memory.ts";
import { AgentControl } from "./agent_control.ts";
import { dialAgent, type Tunnel } from "./dial_agent.ts";
import { askForCertificate } from "./enrollment.ts";

/** Milliseconds between two words to the gateway that the names are still published. */
const REFRESH_MS = ROUTE_MS / 3;

/** Milliseconds in which the gateway hears that the link is ended. */
const BYE_MS = 500;

export interface AgentSessionOptions {
  /** Connects to a gateway, whose certificate is verified. */
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly memory: SessionMemory;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly signer: Signer;
  /** In DER. */
  readonly certificate: () => Uint8Array;
  /** Returns the services that are published; another list when they have changed. */
  readonly tunnels: () => readonly Tunnel[];
  /** A name that is refused ends the link; if not, the others stay published. */
  readonly isStrict: () => boolean;
  /** Called for each name that a gateway has taken, or refused with words. */
  readonly onName?: (name: string, fault: string | null) => void;
  /** Returns true if the certificate is to be renewed. */
  readonly isOld: () => boolean;
  /** Keeps a new certificate, which counts from then on. */
  readonly renewed: (certified: Certified) => void;
}

type Welcome = AgentAnswer & { readonly kind: "welcome" };

/** One link of an agent to a gateway, by which its names are published. */
export class AgentSession {
  readonly #o: AgentSessionOptions;
  readonly #carrier: V2Carrier;
  readonly #control: AgentControl;
  readonly #life: AbortController;
  #welcome: Welcome;
  #refreshedAt: number;
  #hasEnded = false;
  #isDraining = false;
  /** The list that the gateway was told last, and the names of it that it has taken. */
  #told: readonly Tunnel[] | null = null;
  readonly #published = new Set<string>();
  /** Names that it has refused. */
  readonly #refused = new Set<string>();

  private constructor(
    o: AgentSessionOptions,
    { carrier, control, life, changed }: {
      readonly carrier: V2Carrier;
      readonly control: AgentControl;
      readonly life: AbortController;
      readonly changed: { run: () => void };
    },
    welcome: Welcome,
  ) {
    this.#o = o;
    this.#carrier = carrier;
    this.#control = control;
    this.#life = life;
    this.#welcome = welcome;
    this.#refreshedAt = o.clock.now();
    void carrier.ended.then(() => { // it never rejects
      this.#hasEnded = true;
      changed.run();
    });
  }

  /** Connects, and publishes all names. @throws {TtunError}; the signal's reason */
  static async open(o: AgentSessionOptions, signal: AbortSignal): Promise<AgentSession> {
    // The link outlives the signal by the time in which its end is told.
    const life = new AbortController();
    const changed = { run: () => {} };
    let isDraining = false;
    try {
      using _aborts = onAbort(signal, (reason) => life.abort(reason));
      const stream = await o.connect(life.signal);
      const onDrain = () => {
        isDraining = true;
        changed.run();
      };
      const carrier = await dialAgent(stream, { ...o, signal: life.signal, onDrain }, o.tunnels);
      const control = await AgentControl.open(carrier, o.clock);
      const welcome = await hello(o, carrier, control);
      const session = new AgentSession(o, { carrier, control, life, changed }, welcome);
      await session.#publish();
      session.#isDraining = isDraining;
      changed.run = () => {
        session.#isDraining = isDraining;
        session.#wake();
      };
      signal.throwIfAborted();
      return session;
    } catch (error) {
      life.abort(error);
      signal.throwIfAborted();
      throw error;
    }
  }

  get apex(): string {
    return this.#welcome.apex;
  }

  get port(): number {
    return this.#welcome.port;
  }

  /** Places of other gateways: HOST:PORT. */
  get others(): readonly string[] {
    return this.#welcome.others;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The gateway is about to stop. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The gateway should have answered by now. */
  get isSuspect(): boolean {
    return this.#carrier.isSuspect;
  }

  /** Exchanges are under way. */
  get isBusy(): boolean {
    return this.#carrier.streams > 1; // one is for messages
  }

  /** The gateway is to be told again which names are published. */
  get isDue(): boolean {
    return this.#told !== this.#o.tunnels() ||
      this.#o.clock.now() - this.#refreshedAt >= REFRESH_MS;
  }

  /** Resolves after so many milliseconds, or before, when something has changed. @throws the signal's reason */
  async changes(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#hasEnded) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    using _timer = this.#o.clock.after(ms, resolve);
    using _registration = onAbort(signal, reject);
    this.#wake = resolve;
    await promise;
  }

  #wake: () => void = () => {};

  /** @throws {TtunError} */
  async refresh(): Promise<void> {
    this.#refreshedAt = this.#o.clock.now();
    await this.#renew();
    this.#welcome = await hello(this.#o, this.#carrier, this.#control);
    await this.#publish();
  }

  /** Has visitors come by other gateways. Never rejects. */
  async withdraw(): Promise<void> {
    try {
      for (const name of this.#published) await this.#control.ask({ kind: "withdraw", name });
    } catch {
      // The link has ended, and with it all that goes by it.
    }
  }

  /** Ends it, and tells the gateway. Never rejects. */
  async close(): Promise<void> {
    this.#carrier[Symbol.dispose]();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    using _timer = this.#o.clock.after(BYE_MS, resolve);
    await Promise.race([this.#carrier.ended, late]);
    this.#life.abort(new TtunError("lost", "The link was ended"));
  }

  async #publish(): Promise<void> {
    const tunnels = this.#o.tunnels();
    this.#told = tunnels;
    for (const name of [...this.#published]) {
      if (tunnels.some((one) => one.name === name)) continue;
      this.#published.delete(name);
      await this.#control.ask({ kind: "withdraw", name });
    }
    for (const tunnel of tunnels) {
      const { name } = tunnel;
      try {
        await this.#publishOne(tunnel);
        this.#published.add(name);
        this.#refused.delete(name);
        this.#o.onName?.(name, null);
      } catch (error) {
        if (this.#o.isStrict() || !(error instanceof FinalError)) throw error;
        this.#refuse(name, error);
      }
    }
  }

  /** The others stay published, and this one is asked for again. */
  #refuse(name: string, { kind, message }: FinalError): void {
    this.#o.onName?.(name, message);
    this.#published.delete(name);
    if (this.#refused.has(name)) return;
    this.#refused.add(name);
    this.#o.log.error(`Cannot publish ${name}: ${message}`, { kind });
  }

  async #publishOne({ name, raw }: Tunnel): Promise<void> {
    const { signer, now } = this.#o;
    const { apex, node } = this.#welcome;
    const expires = now() + ROUTE_MS;
    const passthrough = raw?.tls !== undefined;
    const place = { name, apex, node };
    const signature = signRoute(signer, place, { expires, isPassthrough: passthrough });
    await this.#control.ask({ kind: "publish", name, expires, signature, passthrough });
  }

  async #renew(): Promise<void> {
    const { clock, signer, certificate, isOld, renewed, log } = this.#o;
    if (!isOld()) return;
    try {
      const request = { kind: "renew-agent", certificate: certificate() } as const;
      const o = { agent: signer, token: null, clock };
      renewed(await askForCertificate(this.#carrier, request, o));
    } catch (error) {
      log.warn("Cannot renew the agent's certificate now", { why: toTtunError(error).message });
    }
  }
}

/** Tells the gateway who the agent is. @throws {TtunError} */
async function hello(
  { signer, certificate }: AgentSessionOptions,
  { binding }: V2Carrier,
  control: AgentControl,
): Promise<Welcome> {
  const proof = proveAgent(signer, binding);
  const answer = await control.ask({ kind: "hello", certificate: certificate(), proof });
  if (answer.kind === "welcome") return answer;
  throw new TtunError("protocol", "The gateway has answered something else than it was asked");
}
