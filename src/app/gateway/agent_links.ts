import { formatAddr, type HostPort, parseHostPort } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { scope } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { sleep } from "../loop/sleep.ts";
import type { AgentClient, AgentMoves } from "./agent_client.ts";

/** Links of an agent at a time, each to another host: one may break, and two be closed at once. */
const MOST_LINKS = 3;

/** Attempts in a row after which another gateway takes the place of one that is not reached. */
const MOST_FAILURES = 6;

/** Milliseconds in which another gateway takes the place of one that is about to stop. */
const MOVE_MS = 3_000;
const LOOK_MS = 50;

export interface AgentLinksOptions {
  readonly clock: Clock;
  /** The gateway that the agent is enrolled at. */
  readonly first: HostPort;
  /** `found`: to be called with places of other gateways. `mostFailures`: as the client has it. */
  readonly make: (
    at: HostPort,
    o: {
      found: (others: readonly string[]) => void;
      mostFailures: number;
      moves: AgentMoves;
    },
  ) => AgentClient;
  readonly log: Logger;
}

/** Keeps an agent's links to several gateways, of which the first one tells. */
export class AgentLinks {
  readonly #o: AgentLinksOptions;
  /** Places whose links publish the names; and those whose gateways are about to stop. */
  readonly #up = new Set<string>();
  readonly #leaving = new Set<string>();
  #others: readonly string[] = [];

  constructor(o: AgentLinksOptions) {
    this.#o = o;
  }

  /** Runs until the signal aborts. @throws its reason, or the failure of the first link that stays */
  async run(signal: AbortSignal): Promise<void> {
    const { first, log } = this.#o;
    const places = new Set([formatAddr(first)]);
    await scope(signal, (tasks) => {
      const found = (others: readonly string[]) => {
        this.#others = others;
        for (const place of others) {
          if (places.size - this.#leaving.size >= MOST_LINKS || places.has(place)) continue;
          if (tasks.signal.aborted) return;
          places.add(place);
          tasks.spawn(async (signal) => {
            try {
              await this.#client(place, { found, mostFailures: MOST_FAILURES }).run(signal);
            } catch (error) {
              signal.throwIfAborted();
              log.warn("Gave up a link to a gateway", {
                at: place,
                why: toTtunError(error).message,
              });
            } finally {
              places.delete(place);
            }
          });
        }
      };
      tasks.spawn(async (signal) => {
        await this.#client(formatAddr(first), { found, mostFailures: Infinity }).run(signal);
      });
    });
  }

  #client(
    place: string,
    o: { readonly found: (others: readonly string[]) => void; readonly mostFailures: number },
  ): AgentClient {
    const moves: AgentMoves = {
      up: (isUp) => {
        if (isUp) this.#up.add(place);
        else this.#up.delete(place);
        this.#leaving.delete(place);
      },
      another: async (signal) => {
        const { clock } = this.#o;
        this.#leaving.add(place);
        this.#up.delete(place);
        o.found(this.#others);
        for (const end = clock.now() + MOVE_MS; this.#up.size === 0 && clock.now() < end;) {
          await sleep(clock, LOOK_MS, signal);
        }
      },
    };
    return this.#o.make(parseHostPort(place), { ...o, moves });
  }
}
