import { HTTP_SERVICE } from "./agent_messages.ts";
import { readRawService } from "./raw_service.ts";

/**
 * Kinds of services that an agent may be enrolled for: HTTP, TLS that it ends itself, TCP and datagrams
 * for everybody, and those for holders of a key alone.
 */
export const SERVICE_KINDS = ["http", "tls", "tcp", "link"] as const;

export type ServiceKind = typeof SERVICE_KINDS[number];

/** Returns the kind of a stream's service, from a gateway to an agent; null = it is none of these. */
export function kindOfService(service: string): ServiceKind | null {
  if (service.startsWith(HTTP_SERVICE)) return "http";
  return readRawService(service)?.kind ?? null;
}

/** Returns the kinds in their order, each once; null = one of them is none, or there are none. */
export function readServiceKinds(words: readonly string[]): readonly ServiceKind[] | null {
  const kinds = SERVICE_KINDS.filter((kind) => words.includes(kind));
  return kinds.length === 0 || kinds.length !== new Set(words).size ? null : kinds;
}
