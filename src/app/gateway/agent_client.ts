import { FinalError, toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Signer } from "../../contract/signature.ts";
import type { Stream } from "../../contract/stream.ts";
import {
  AGENT_SERVICE,
  type AgentAnswer,
  type AgentRequest,
  decodeAgentAnswer,
  encodeAgentRequest,
  HTTP_SERVICE,
  MAX_AGENT_MESSAGE,
  proveAgent,
} from "../../core/gateway/agent_messages.ts";
import { type RawKind, readRawService } from "../../core/gateway/raw_service.ts";
import { ROUTE_MS, signRoute } from "../../core/gateway/route.ts";
import type { Certified } from "../../core/mesh/admission/join_answer.ts";
import { Backoff } from "../../core/net/backoff.ts";
import type { WireSecrets } from "../link/config.ts";
import { sleep } from "../loop/sleep.ts";
import { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import type { SessionMemory } from "../mux/session_memory.ts";
import { askForCertificate } from "./enrollment.ts";
import { MessageStream } from "./message_stream.ts";
import { VisitorConnection } from "./visitor_connection.ts";

/** Requests under way at a time. */
const MOST_EXCHANGES = 4096;

/** Milliseconds until a gateway has answered. */
const ANSWER_MS = 20_000;

/** A service that is published. */
export interface Tunnel {
  readonly name: string;
  /** Takes a stream with one request, which is its own from then on; absent = it speaks no HTTP. */
  readonly serve?: (stream: Stream) => void;
  /** Takes a visitor's connection, which is its own from then on; absent kinds are refused. */
  readonly raw?: { readonly [K in RawKind]?: (visitor: Connection) => void };
}

export interface AgentClientOptions {
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
  readonly tunnels: readonly Tunnel[];
  /** Returns true if the certificate is to be renewed. */
  readonly isOld: () => boolean;
  /** Keeps a new certificate, which counts from then on. */
  readonly renewed: (certified: Certified) => void;
  /** Called for each link when all tunnels are published by it. */
  readonly onPublished: (apex: string, port: number) => void;
  /** Called with places of other gateways: HOST:PORT. */
  readonly onOthers: (others: readonly string[]) => void;
  /** Attempts in a row that may fail; Infinity = no limit. */
  readonly mostFailures: number;
}

/** Refusals that stay what they are, however often the agent asks. */
const FINAL: ReadonlySet<string> = new Set(["auth", "usage", "in_use", "exhausted"]);

/** Publishes services by a link to a gateway, which is made again when it is lost. */
export class AgentClient {
  readonly #o: AgentClientOptions;
  readonly #backoff = new Backoff();
  /** Attempts in a row that have failed. */
  #failures = 0;

  constructor(o: AgentClientOptions) {
    this.#o = o;
  }

  /** Runs until the signal aborts. @throws its reason; {TtunError} that no other attempt would change */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, log, secrets: { rng }, mostFailures } = this.#o;
    for (this.#failures = 0;;) {
      try {
        await this.#link(signal);
        signal.throwIfAborted();
        log.warn("Lost the link to the gateway");
      } catch (thrown) {
        signal.throwIfAborted();
        const error = toTtunError(thrown);
        const isLast = ++this.#failures > mostFailures;
        if (isLast || error instanceof FinalError || error.kind === "internal") throw error;
        log.warn("Cannot publish now", { why: error.message });
      }
      await sleep(clock, this.#backoff.pause(rng(1)[0]! / 256), signal);
    }
  }

  /** Runs one link to its end. */
  async #link(signal: AbortSignal): Promise<void> {
    const { connect, certificate, signer, tunnels, onPublished, now } = this.#o;
    const stream = await connect(signal);
    using carrier = await dialAgent(stream, { ...this.#o, signal }, tunnels);
    await using control = await AgentControl.open(carrier, this.#o.clock);
    const proof = proveAgent(signer, carrier.binding);
    const hello = async () =>
      await control.ask({ kind: "hello", certificate: certificate(), proof });
    const welcome = await hello();
    if (welcome.kind !== "welcome") throw unexpected();
    const { apex, node } = welcome;
    const publish = async () => {
      for (const { name } of tunnels) {
        const expires = now() + ROUTE_MS;
        const signature = signRoute(signer, { name, apex, node }, expires);
        await control.ask({ kind: "publish", name, expires, signature });
      }
    };
    await publish();
    this.#backoff.restart();
    this.#failures = 0;
    onPublished(apex, welcome.port);
    this.#o.onOthers(welcome.others);
    let hasEnded = false;
    const ended = carrier.ended.then(() => void (hasEnded = true));
    for (;;) {
      await this.#some(ROUTE_MS / 3, ended);
      if (hasEnded) return;
      await this.#renew(carrier);
      const again = await hello();
      if (again.kind === "welcome") this.#o.onOthers(again.others);
      await publish();
    }
  }

  async #renew(carrier: V2Carrier): Promise<void> {
    const { clock, signer, certificate, isOld, renewed, log } = this.#o;
    if (!isOld()) return;
    try {
      const request = { kind: "renew-agent", certificate: certificate() } as const;
      renewed(await askForCertificate(carrier, request, { agent: signer, token: null, clock }));
    } catch (error) {
      log.warn("Cannot renew the agent's certificate now", { why: toTtunError(error).message });
    }
  }

  /** Resolves after so many milliseconds, or before, when the link has ended. */
  async #some(ms: number, ended: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#o.clock.after(ms, resolve);
    await Promise.race([promise, ended]);
  }
}

/** Runs the handshake of link version 2 with a gateway. Owns the stream. @throws {TtunError} */
export async function dialAgent(
  stream: Connection,
  o: Pick<AgentClientOptions, "secrets" | "clock" | "memory"> & { readonly signal: AbortSignal },
  tunnels: readonly Tunnel[],
): Promise<V2Carrier> {
  const find = (service: string) => serverOf(service, tunnels);
  return await V2Carrier.dial(stream, {
    ...o,
    hasService: (service) => find(service) !== null,
    mostStreams: MOST_EXCHANGES,
    onStream: (opened, _, service) => {
      const serve = find(service);
      if (serve === null) startClose(opened);
      else serve(opened);
    },
  });
}

/** Returns what takes the streams of a service that a gateway asks for; null = nothing does. */
function serverOf(
  service: string,
  tunnels: readonly Tunnel[],
): ((stream: Stream) => void) | null {
  const asked = readRawService(service);
  if (asked === null) {
    return tunnels.find(({ name }) => service === HTTP_SERVICE + name)?.serve ?? null;
  }
  const take = tunnels.find(({ name }) => name === asked.name)?.raw?.[asked.kind];
  if (take === undefined) return null;
  return (stream) => take(new VisitorConnection(stream, asked.visitor));
}

/** Requests to a gateway, one after the other. */
export class AgentControl implements AsyncDisposable {
  readonly #messages: MessageStream;
  readonly #clock: Clock;
  readonly #giveUp: () => void;

  private constructor(messages: MessageStream, clock: Clock, giveUp: () => void) {
    this.#messages = messages;
    this.#clock = clock;
    this.#giveUp = giveUp;
  }

  /** @throws {TtunError} lost */
  static async open(carrier: V2Carrier, clock: Clock): Promise<AgentControl> {
    const stream = await carrier.open(AGENT_SERVICE);
    const messages = new MessageStream(stream, MAX_AGENT_MESSAGE);
    return new AgentControl(messages, clock, () => stream.reset());
  }

  /** @throws {TtunError} the gateway's refusal: {FinalError} for one that stays */
  async ask(request: AgentRequest): Promise<AgentAnswer> {
    let isLate = false;
    using _timer = this.#clock.after(ANSWER_MS, () => {
      isLate = true;
      this.#giveUp();
    });
    try {
      await this.#messages.write(encodeAgentRequest(request));
      const answer = decodeAgentAnswer(await this.#messages.need());
      if (answer.kind !== "refused") return answer;
      const { kind, message } = answer.error;
      throw FINAL.has(kind) ? new FinalError(kind, message) : answer.error;
    } catch (error) {
      if (isLate) throw new TtunError("timeout", "The gateway did not answer in time");
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#messages[Symbol.asyncDispose]();
  }
}

function unexpected(): TtunError {
  return new TtunError("protocol", "The gateway has answered something else than it was asked");
}
