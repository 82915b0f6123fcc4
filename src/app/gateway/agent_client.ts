import { FinalError, toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { Backoff } from "../../core/net/backoff.ts";
import { sleep } from "../loop/sleep.ts";
import { AgentSession, type AgentSessionOptions } from "./agent_session.ts";

export interface AgentClientOptions extends AgentSessionOptions {
  readonly log: Logger;
  /** Called for each link when all tunnels are published by it. */
  readonly onPublished: (apex: string, port: number) => void;
  /** Called with places of other gateways: HOST:PORT. */
  readonly onOthers: (others: readonly string[]) => void;
  /** Called when there is no link for now, with the reason in words. */
  readonly onFault?: (why: string) => void;
  /** Attempts in a row that may fail; Infinity = no limit. */
  readonly mostFailures: number;
  /** The agent's links to other gateways. */
  readonly moves: AgentMoves;
}

/** Links of one agent to several gateways, for each of them. */
export interface AgentMoves {
  /** The names are published by this link, or no more. */
  up(isUp: boolean): void;
  /** Resolves once they are by another one, or it takes too long. @throws the signal's reason */
  another(signal: AbortSignal): Promise<void>;
}

/** Milliseconds after which a new link asks for other gateways, beside those of every refreshment. */
const EARLY_MS = [2_000, 6_000, 14_000];

/** Milliseconds between looks at a link. */
const LOOK_MS = 500;

/** Milliseconds for another link while there is one that does not answer, and between two tries. */
const REPLACE_MS = 4_000;
const REPLACE_PAUSE = 300;

/** Milliseconds for the exchanges of a link that was replaced. */
const RETIRE_MS = 5_000;

/** Milliseconds for the exchanges of a gateway that is about to stop. */
const LEAVE_MS = 30_000;

/** Publishes services by a link to a gateway, which is made again when it is lost. */
export class AgentClient {
  readonly #o: AgentClientOptions;
  readonly #backoff = new Backoff();
  /** Ends of links that others have replaced. */
  readonly #retiring = new Set<Promise<void>>();
  /** Attempts in a row that have failed. */
  #failures = 0;

  constructor(o: AgentClientOptions) {
    this.#o = o;
  }

  /**
   * Runs until the signal aborts; where attempts may not fail without end, also until the gateway stops.
   * @throws the signal's reason; {TtunError} that no other attempt would change
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, secrets: { rng }, mostFailures, onFault = () => {} } = this.#o;
    for (this.#failures = 0;;) {
      try {
        const end = await this.#publish(signal);
        onFault(end === "lost" ? "the link was lost" : "the gateway was about to stop");
        if (end === "left" && mostFailures !== Infinity) return;
        if (end === "lost") log.warn("Lost the link to the gateway");
      } catch (thrown) {
        signal.throwIfAborted();
        const error = toTtunError(thrown);
        onFault(error.message);
        const isLast = ++this.#failures > mostFailures;
        if (isLast || error instanceof FinalError || error.kind === "internal") throw error;
        log.warn("Cannot publish now", { why: error.message });
      }
      await sleep(clock, this.#backoff.pause(rng(1)[0]! / 256), signal);
    }
  }

  /** Keeps the names published by one link, or another one in its place, until there is none. */
  async #publish(signal: AbortSignal): Promise<"lost" | "left"> {
    const { clock } = this.#o;
    let link = await this.#open(signal);
    const since = clock.now();
    const early = [...EARLY_MS];
    try {
      for (;;) {
        await link.changes(LOOK_MS, signal);
        if (link.hasEnded) return "lost";
        if (link.isDraining) {
          await this.#leave(link, signal);
          return "left";
        }
        if (link.isSuspect) {
          const next = await this.#replace(link, signal);
          if (next === null) continue;
          this.#retire(link, signal);
          link = next;
        } else if (link.isDue || clock.now() - since >= (early[0] ?? Infinity)) {
          early.shift();
          await link.refresh();
          this.#o.onOthers(link.others);
        }
      }
    } finally {
      this.#o.moves.up(false);
      await Promise.all([link.close(), ...this.#retiring]);
    }
  }

  async #open(signal: AbortSignal): Promise<AgentSession> {
    const link = await AgentSession.open(this.#o, signal);
    this.#backoff.restart();
    this.#failures = 0;
    const { onPublished, onOthers, moves } = this.#o;
    onPublished(link.apex, link.port);
    onOthers(link.others);
    moves.up(true);
    return link;
  }

  /** Makes another link while this one does not answer; returns null if it does again, or has ended. */
  async #replace(link: AgentSession, signal: AbortSignal): Promise<AgentSession | null> {
    const { clock, log } = this.#o;
    log.debug("The gateway does not answer: another link to it is tried");
    while (!link.hasEnded && link.isSuspect) {
      const late = new AbortController();
      using _timer = clock.after(
        REPLACE_MS,
        () => late.abort(new TtunError("timeout", "Too late")),
      );
      try {
        return await AgentSession.open(this.#o, AbortSignal.any([signal, late.signal]));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof FinalError) throw error;
      }
      await sleep(clock, REPLACE_PAUSE, signal);
    }
    return null;
  }

  /** Exchanges of a link that another one has replaced go on for a while. */
  #retire(link: AgentSession, signal: AbortSignal): void {
    const { clock } = this.#o;
    const ending = (async () => {
      void link.withdraw(); // it never rejects
      for (const end = clock.now() + RETIRE_MS; link.isBusy && clock.now() < end;) {
        await link.changes(LOOK_MS / 5, signal);
        if (link.hasEnded) break;
      }
    })().catch(() => {}) // ttun is told to stop
      .then(() => link.close()).finally(() => this.#retiring.delete(ending));
    this.#retiring.add(ending);
  }

  /** Visitors come by other gateways from now on; what is under way here goes on. */
  async #leave(link: AgentSession, signal: AbortSignal): Promise<void> {
    const { clock, log, moves } = this.#o;
    log.info("The gateway is about to stop: its visitors come by others");
    await moves.another(signal);
    await link.withdraw();
    for (const end = clock.now() + LEAVE_MS; clock.now() < end;) {
      if (link.hasEnded || !link.isBusy) return;
      await link.changes(LOOK_MS / 5, signal);
    }
  }
}
