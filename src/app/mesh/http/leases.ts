import type { MeshStore, Session } from "../../../contract/mesh_store.ts";
import { parseDuration } from "../../../core/mesh/http/route.ts";
import { jsonAnswer, words } from "./answers.ts";
import type { Query } from "./request_place.ts";

/** Milliseconds that a lease may be asked for. */
const [SHORTEST, LONGEST] = [5_000, 120_000];

/** Most leases that programs hold by way of one node. */
const MOST_LEASES = 1000;

interface Held {
  readonly token: string;
  readonly session: Session;
}

/**
 * Leases of programs that speak HTTP: POST takes one, PUT renews it, DELETE gives it back. Each has a
 * session of its own, which ends by itself when it is not renewed.
 */
export class Leases {
  readonly #store: MeshStore;
  readonly #signal: AbortSignal;
  readonly #held = new Map<string, Held>();

  constructor(store: MeshStore, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  async handle(request: Request, name: string, query: Query): Promise<Response> {
    const signal = this.#signal;
    switch (request.method) {
      case "POST":
        return await this.#take(name, query.get("ttl") ?? "30s", signal);
      case "PUT":
        return await this.#renew(name, tokenOf(request, query), signal);
      case "DELETE":
        return await this.#release(name, tokenOf(request, query), signal);
      default:
        return words(405, "Only POST, PUT, DELETE are answered here", {
          allow: "POST, PUT, DELETE",
        });
    }
  }

  async #take(name: string, ttl: string, signal: AbortSignal): Promise<Response> {
    const ttlMs = parseDuration(ttl);
    if (ttlMs === null || ttlMs < SHORTEST || ttlMs > LONGEST) {
      return words(400, "Cannot read ttl: a lease is for 5s to 120s");
    }
    if (this.#held.size >= MOST_LEASES) {
      return words(429, "Too many leases are held by way of this node", { "retry-after": "5" });
    }
    const session = await this.#store.session(ttlMs, { signal });
    let lease;
    try {
      lease = await this.#store.acquire(name, session, { signal });
    } finally {
      if (lease === undefined || lease === null) await session[Symbol.asyncDispose]();
    }
    if (lease === null) return words(409, "Another one has this lease");
    const held = { token: lease.token, session };
    this.#held.set(name, held);
    lease.lost.addEventListener("abort", () => this.#forget(name, held), { once: true });
    return jsonAnswer(201, { token: lease.token, ttlMs });
  }

  async #renew(name: string, token: string | null, signal: AbortSignal): Promise<Response> {
    const held = this.#held.get(name);
    if (held === undefined || held.token !== token) {
      return words(409, "The lease is not held by this token");
    }
    await held.session.renew({ signal });
    return jsonAnswer(200, { token, ttlMs: held.session.ttlMs });
  }

  async #release(name: string, token: string | null, signal: AbortSignal): Promise<Response> {
    const held = this.#held.get(name);
    if (held === undefined || held.token !== token) {
      return words(409, "The lease is not held by this token");
    }
    await this.#store.release(name, held.token, { signal });
    await held.session.end({ signal });
    this.#forget(name, held);
    return new Response(null, { status: 204 });
  }

  #forget(name: string, held: Held): void {
    if (this.#held.get(name) === held) this.#held.delete(name);
  }
}

function tokenOf(request: Request, query: Query): string | null {
  return query.get("token") ?? request.headers.get("if-match")?.replaceAll('"', "") ?? null;
}
