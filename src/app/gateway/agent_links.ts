import { formatAddr, type HostPort, parseHostPort } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { scope } from "../../base/scope.ts";
import type { AgentClient } from "./agent_client.ts";

/** Links of an agent at a time, each to another host: one may break, and two be closed at once. */
const MOST_LINKS = 3;

/** Attempts in a row after which another gateway takes the place of one that is not reached. */
const MOST_FAILURES = 6;

export interface AgentLinksOptions {
  /** The gateway that the agent is enrolled at. */
  readonly first: HostPort;
  /** `found`: to be called with places of other gateways. `mostFailures`: as the client has it. */
  readonly make: (
    at: HostPort,
    o: { found: (others: readonly string[]) => void; mostFailures: number },
  ) => AgentClient;
  readonly log: Logger;
}

/** Keeps an agent's links to several gateways, of which the first one tells. */
export class AgentLinks {
  readonly #o: AgentLinksOptions;

  constructor(o: AgentLinksOptions) {
    this.#o = o;
  }

  /** Runs until the signal aborts. @throws its reason, or the failure of the first link that stays */
  async run(signal: AbortSignal): Promise<void> {
    const { first, make, log } = this.#o;
    const places = new Set([formatAddr(first)]);
    await scope(signal, (tasks) => {
      const found = (others: readonly string[]) => {
        for (const place of others) {
          if (places.size >= MOST_LINKS || places.has(place) || tasks.signal.aborted) continue;
          places.add(place);
          tasks.spawn(async (signal) => {
            try {
              const o = { found, mostFailures: MOST_FAILURES };
              await make(parseHostPort(place), o).run(signal);
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
      tasks.spawn((signal) => make(first, { found, mostFailures: Infinity }).run(signal));
    });
  }
}
