import { toTtunError } from "../../../base/errors.ts";
import type { Logger } from "../../../base/log.ts";
import type { Clock } from "../../../contract/host.ts";
import { type Entry, MeshError, type MeshStore } from "../../../contract/mesh_store.ts";
import { type ApiToken, findToken, mayUse, type Verb } from "../../../core/mesh/http/api_token.ts";
import {
  isLocalName,
  isReserved,
  parseDuration,
  type Route,
  routeOf,
} from "../../../core/mesh/http/route.ts";
import { answer, jsonAnswer, meshErrorAnswer, words } from "./answers.ts";
import { etagOf, readConditions } from "./conditions.ts";
import { plainEntry } from "./entry_json.ts";
import { Leases } from "./leases.ts";
import { placeOf, type Query } from "./request_place.ts";
import { watchStream } from "./watch_stream.ts";

/** Requests of one node that may be open at once, watches not counted. */
const MOST_REQUESTS = 512;

const MOST_WATCHES = 1024;

/** Most entries of a page. */
const MOST_ENTRIES = 1000;

export interface ApiOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Another list once a token is added or revoked. */
  readonly tokens: () => readonly ApiToken[];
  /** Facts of the node and its ring, for status. */
  readonly ring: () => object;
  readonly metrics: () => string;
  /** Changes of the cluster: answers routes of administrators. Null = there is nothing there. */
  readonly admin: (route: Route, request: Request) => Promise<Response> | null;
}

/** Answers requests to a node's HTTP API (docs/mesh.md). */
export class MeshApi {
  readonly #o: ApiOptions;
  readonly #leases: Leases;
  /** Tokens by what programs have shown for them, which is not hashed for each request. */
  readonly #shown = new Map<string, ApiToken>();
  #tokens: readonly ApiToken[] = [];
  /** The name of this machine that a request has given last. */
  #localName: string | null = null;
  #requests = 0;
  #watches = 0;

  constructor(o: ApiOptions) {
    this.#o = o;
    this.#leases = new Leases(o.store, o.signal);
  }

  /**
   * Never rejects. `isOwner`: the request came over a socket that its owner alone can open, so that it
   * needs no token.
   */
  async handle(request: Request, isOwner: boolean): Promise<Response> {
    if (this.#requests >= MOST_REQUESTS) {
      return words(429, "Too many requests are open", { "retry-after": "1" });
    }
    this.#requests += 1;
    try {
      return await this.#handle(request, isOwner);
    } catch (error) {
      if (error instanceof MeshError) return meshErrorAnswer(error);
      if (this.#o.signal.aborted) return words(503, "The node stops");
      const { kind, message } = toTtunError(error);
      if (kind === "internal") this.#o.log.error(message, { path: new URL(request.url).pathname });
      const isOwnFault = kind === "usage" || kind === "protocol";
      return words(kind === "internal" ? 500 : isOwnFault ? 400 : 409, message);
    } finally {
      this.#requests -= 1;
    }
  }

  async #handle(request: Request, isOwner: boolean): Promise<Response> {
    const { path, query } = placeOf(request.url);
    if (request.headers.has("origin")) return words(403, "Web pages may not use this API");
    if (!isOwner && !this.#isLocal(request.headers.get("host"))) {
      return words(403, "The request names another host than this machine");
    }
    const route = routeOf(path);
    if (route === null) return noRoute(path);
    const refused = this.#refuse(request, route, isOwner);
    if (refused !== null) return refused;
    switch (route.kind) {
      case "key":
        return await this.#key(request, route.key, query);
      case "list":
        return request.method === "GET"
          ? await this.#list(request, route.prefix, query)
          : notAllowed("GET");
      case "watch":
        return request.method === "GET" ? this.#watch(request, route.prefix) : notAllowed("GET");
      case "lease":
        return await this.#leases.handle(request, route.name, query);
      case "health":
        return jsonAnswer(200, await this.#o.store.health());
      case "ring":
        return jsonAnswer(200, this.#o.ring());
      case "metrics":
        return answer(200, this.#o.metrics(), "text/plain; version=0.0.4; charset=utf-8");
      default: {
        const administered = this.#o.admin(route, request);
        return administered === null
          ? words(404, "There is nothing here on this node")
          : await administered;
      }
    }
  }

  /** Returns the refusal of a request that has no right to its route; null = it has. */
  #refuse(request: Request, route: Route, isOwner: boolean): Response | null {
    if (isOwner) return null;
    const [scheme = "", text = ""] = request.headers.get("authorization")?.split(" ") ?? [];
    const token = scheme.toLowerCase() === "bearer" ? this.#findToken(text) : null;
    if (token === null) {
      return words(401, "There is no such token; ttun mesh token add makes one", {
        "www-authenticate": "Bearer",
      });
    }
    const { verb, key } = rightOf(request.method, route);
    const isWrite = verb === "put" || verb === "delete";
    const may = mayUse(token, verb, key) &&
      !(isWrite && isReserved(key ?? "") && !mayUse(token, "admin"));
    return may ? null : words(403, `The token ${token.id} may not ${verb} this`);
  }

  /** A program names the same host again and again. */
  #isLocal(host: string | null): boolean {
    if (host !== null && host === this.#localName) return true;
    const isLocal = isLocalName(host);
    if (isLocal) this.#localName = host;
    return isLocal;
  }

  #findToken(text: string): ApiToken | null {
    const tokens = this.#o.tokens();
    if (tokens !== this.#tokens) this.#shown.clear(); // one may have been revoked
    this.#tokens = tokens;
    const token = this.#shown.get(text) ?? findToken(tokens, text);
    if (token !== null) this.#shown.set(text, token);
    return token;
  }

  async #key(request: Request, key: string, query: Query): Promise<Response> {
    const call = this.#call(request);
    const { store } = this.#o;
    if (request.method === "GET" || request.method === "HEAD") {
      const entry = await store.get(key, { ...call, stale: query.has("stale") });
      if (entry === null) return words(404, "There is no such key");
      const headers = entryHeaders(entry);
      if (request.headers.get("if-none-match") === etagOf(entry.version)) {
        return new Response(null, { status: 304, headers });
      }
      const body = request.method === "HEAD" ? null : entry.value as Uint8Array<ArrayBuffer>;
      return new Response(body, { status: 200, headers });
    }
    if (request.method !== "PUT" && request.method !== "DELETE") {
      return notAllowed("GET, HEAD, PUT, DELETE");
    }
    const { cas, maxValue } = store.capabilities(key);
    const condition = readConditions(request.headers);
    if (condition.if !== undefined && !cas) {
      return words(501, "Keys of the ring have no conditions: the newest write wins");
    }
    if (request.method === "DELETE") {
      if (condition.if === "absent") {
        return words(400, "A deletion cannot ask for a key that is absent");
      }
      return writtenAnswer(await store.delete(key, { ...call, ...condition }));
    }
    const value = await readBody(request, maxValue);
    if (value === null) return words(413, `The value is longer than ${maxValue} bytes`);
    const ttl = query.get("ttl");
    const ttlMs = ttl === null ? null : parseDuration(ttl);
    if (ttl !== null && ttlMs === null) return words(400, "Cannot read ttl: write it as 30s");
    const o = { ...call, ...condition, ...(ttlMs !== null && { ttlMs }) };
    return writtenAnswer(await store.put(key, value, o));
  }

  async #list(request: Request, prefix: string, query: Query): Promise<Response> {
    const limit = Math.min(MOST_ENTRIES, Number(query.get("limit") ?? 100));
    if (!Number.isInteger(limit) || limit < 1) {
      return words(400, "Cannot read limit: it is 1 to 1000");
    }
    const after = query.get("after");
    const { entries, next, cursor } = await this.#o.store.list(prefix, {
      ...this.#call(request),
      limit,
      ...(after !== null && { after }),
    });
    return jsonAnswer(200, {
      entries: entries.map(plainEntry),
      ...(next !== undefined && { next }),
      ...(cursor !== undefined && { cursor }),
    });
  }

  #watch(request: Request, prefix: string): Response {
    if (this.#watches >= MOST_WATCHES) {
      return words(429, "Too many watches are open", { "retry-after": "5" });
    }
    this.#watches += 1;
    const from = request.headers.get("last-event-id");
    const body = watchStream(this.#o.store, prefix, {
      clock: this.#o.clock,
      signal: this.#o.signal,
      from: from === null || from === "" ? undefined : from,
      ended: () => this.#watches -= 1,
    });
    const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
    return new Response(body, { status: 200, headers });
  }

  #call(request: Request): { signal: AbortSignal; requestId?: string } {
    const requestId = request.headers.get("idempotency-key");
    const { signal } = this.#o;
    return requestId === null ? { signal } : { signal, requestId: requestId.slice(0, 128) };
  }
}

/** Answers a path that is none, or that has a key or an id which is none. */
function noRoute(path: string): Response {
  if (/^\/v1\/(?:kv|watch)\//.test(path)) {
    return words(
      400,
      "The key is none: it has two parts or more with slashes between, each of letters, digits, dots, " +
        "_ and -, and 512 characters at most",
    );
  }
  if (path.startsWith("/v1/revoke/")) {
    return words(400, "The id is none: give 12 to 64 digits of it, 0 to 9 and a to f");
  }
  return words(404, "There is nothing here");
}

/** The right that a request takes, and the key that it is about, where it is about one. */
function rightOf(method: string, route: Route): { verb: Verb; key?: string } {
  const isRead = method === "GET" || method === "HEAD";
  switch (route.kind) {
    case "key":
      return { verb: isRead ? "get" : method === "DELETE" ? "delete" : "put", key: route.key };
    case "list":
      return { verb: "list", key: route.prefix };
    case "watch":
      return { verb: "watch", key: route.prefix };
    case "lease":
      return { verb: "lease", key: `lease/${route.name}` };
    case "health":
    case "ring":
    case "metrics":
    case "members":
    case "agents":
      return { verb: "status" };
    default:
      return { verb: "admin" };
  }
}

function writtenAnswer(written: Awaited<ReturnType<MeshStore["put"]>>): Response {
  if (written.ok) {
    return new Response(null, { status: 204, headers: { etag: etagOf(written.version) } });
  }
  const { current } = written;
  return words(
    412,
    current === null ? "There is no such key" : "The key has another version",
    current === null ? {} : { etag: etagOf(current.version) },
  );
}

function entryHeaders({ version, expiresInMs }: Entry): Record<string, string> {
  return {
    "content-type": "application/octet-stream",
    "cache-control": "no-store",
    etag: etagOf(version),
    ...(expiresInMs !== undefined && { "ttun-expires-in": `${Math.ceil(expiresInMs)}ms` }),
  };
}

/** Returns null above the limit. Takes no more memory than that. */
async function readBody(request: Request, most: number): Promise<Uint8Array | null> {
  const { headers } = request;
  const length = headers.get("content-length");
  if (Number(length ?? 0) > most) return null;
  // A body whose length is told ends there: nothing has to watch over its parts.
  if (length !== null && !headers.has("transfer-encoding")) {
    return new Uint8Array(await request.arrayBuffer());
  }
  if (request.body === null) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of request.body) {
    size += part.length;
    if (size > most) return null;
    parts.push(part);
  }
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function notAllowed(allow: string): Response {
  return words(405, `Only ${allow} is answered here`, { allow });
}
