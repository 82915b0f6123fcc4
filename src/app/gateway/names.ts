import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { MeshError, type MeshStore } from "../../contract/mesh_store.ts";
import {
  decodeNameRecord,
  encodeNameRecord,
  nameKey,
  namesOfAgent,
} from "../../core/gateway/agent_messages.ts";
import { isHostName } from "../../core/gateway/label.ts";
import { type AgentFacts, mayHaveName } from "../../core/mesh/admission/agent_certificate.ts";

/** How often a lost race is looked at again. */
const TRIES = 3;

/** Names of one agent that are looked at. */
const MOST_LISTED = 1000;

/** Owners that are remembered for the time that the core is not reached. */
const MOST_KNOWN = 10_000;

export interface NamesOptions {
  readonly store: MeshStore;
  /**
   * Checks that a host name is to be the agent's, by its owner's word; `agent`: its id in hex.
   * @throws {TtunError} auth, usage
   */
  readonly prove: (host: string, agent: string, signal: AbortSignal) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Names of services. The first agent that claims a label has it, until that very agent gives it back; a
 * host name is of whom its owner names.
 */
export class Names {
  readonly #o: NamesOptions;
  /** Ids of owners by name, as they were last. */
  readonly #known = new Map<string, string>();

  constructor(o: NamesOptions) {
    this.#o = o;
  }

  /** @throws {TtunError} auth, in_use, exhausted; {MeshError} */
  async claim(name: string, agent: AgentFacts, signal: AbortSignal): Promise<void> {
    requireName(agent, name);
    const id = toHex(agent.agentId);
    try {
      await this.#claim(name, id, agent.quota, signal);
    } catch (error) {
      const wasOwn = this.#known.get(name) === id;
      // While the core is away, those that had their names go on.
      const isAway = error instanceof MeshError && error.reason === "unavailable";
      if (!isAway || !wasOwn) {
        // The core has answered: the name is not the agent's any more.
        if (wasOwn && !(error instanceof MeshError)) this.#known.delete(name);
        throw error;
      }
    }
    this.#known.delete(name);
    this.#known.set(name, id);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
  }

  async #claim(name: string, id: string, quota: number, signal: AbortSignal): Promise<void> {
    const { store, now, prove } = this.#o;
    for (let tries = 0; tries < TRIES; tries++) {
      const entry = await store.get(nameKey(name), { signal });
      if (entry !== null) {
        if (decodeNameRecord(entry.value)?.agent === id) return;
        if (!isHostName(name)) {
          throw new TtunError(
            "in_use",
            `Cannot publish ${name}: the name is another agent's; choose another name by --name`,
          );
        }
      }
      if (isHostName(name)) await prove(name, id, signal);
      const own = await this.of(id, signal);
      if (own.length >= quota) {
        throw tooMany(name, quota, own);
      }
      const record = encodeNameRecord({ agent: id, since: now() });
      // A name that is listed and not the agent's does less harm than the other way round.
      const listed = namesOfAgent(id) + name;
      await store.put(listed, record, { signal });
      const written = await store.put(nameKey(name), record, {
        signal,
        if: entry?.version ?? "absent",
      });
      if (!written.ok) {
        await store.delete(listed, { signal });
        continue;
      }
      // Claims at several gateways at once have all counted the names before each of them.
      const all = await this.of(id, signal);
      if (all.length <= quota) return;
      await store.delete(nameKey(name), { signal, if: written.version });
      await store.delete(listed, { signal });
      throw tooMany(name, quota, all.filter((one) => one !== name));
    }
    throw new TtunError("busy", `Cannot publish ${name} now: others claim it too; try again`);
  }

  /** Gives a name back. @throws {TtunError} usage, if it is not the agent's; {MeshError} */
  async release(name: string, agentId: Uint8Array, signal: AbortSignal): Promise<void> {
    const { store } = this.#o;
    const entry = await store.get(nameKey(name), { signal });
    const isOwn = entry !== null && decodeNameRecord(entry.value)?.agent === toHex(agentId);
    const written = isOwn && await store.delete(nameKey(name), { signal, if: entry.version });
    if (written === false || !written.ok) {
      throw new TtunError("usage", `Cannot release ${name}: it is not this agent's`);
    }
    this.#known.delete(name);
    await store.delete(namesOfAgent(toHex(agentId)) + name, { signal });
  }

  /** Returns the names of an agent; `id`: in hex. @throws {MeshError} */
  async of(id: string, signal: AbortSignal): Promise<string[]> {
    const prefix = namesOfAgent(id);
    const { entries } = await this.#o.store.list(prefix, { signal, limit: MOST_LISTED });
    const names = entries.map(({ key }) => key.slice(prefix.length));
    const isOwn = await Promise.all(names.map((name) => this.#isOwn(name, id, signal)));
    return names.filter((_, i) => isOwn[i]);
  }

  async #isOwn(name: string, id: string, signal: AbortSignal): Promise<boolean> {
    const entry = await this.#o.store.get(nameKey(name), { signal });
    return entry !== null && decodeNameRecord(entry.value)?.agent === id;
  }
}

function tooMany(name: string, quota: number, own: readonly string[]): TtunError {
  return new TtunError(
    "exhausted",
    `Cannot publish ${name}: this agent may have ${quota} names, and has ${
      own.join(", ")
    }; ttun mesh names release gives one back`,
  );
}

/** @throws {TtunError} auth, if the agent's certificate does not give it the name */
export function requireName(agent: AgentFacts, name: string): void {
  if (mayHaveName(agent, name)) return;
  throw new TtunError(
    "auth",
    `Cannot publish ${name}: the agent was enrolled for ${agent.names.join(", ")}`,
  );
}
