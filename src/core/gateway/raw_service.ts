import { type Addr, formatAddr, isIpAddress, parseHostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { withoutZone } from "../../base/zone.ts";
import { isPublicName } from "./label.ts";

/**
 * Kinds of connections that are carried as they are. `tcp`: bytes for a service that needs no key;
 * `link`: link version 2 between client and agent, of which the nodes see ciphertext alone; `tls`: a
 * visitor's TLS, whose server is at the agent.
 */
export type RawKind = AgreedKind | "tls";

/** Kinds that are agreed on by ALPN. */
type AgreedKind = "tcp" | "link";

/** Names in ALPN of visitors' connections, by their kind. */
export const RAW_PROTOCOLS: Readonly<Record<AgreedKind, string>> = {
  tcp: "ttun-tcp/1",
  link: "ttun-link/1",
};

/** A stream from a gateway to an agent, or to another node, with one connection of a visitor. */
export interface RawService {
  readonly kind: RawKind;
  readonly name: string;
  /** The visitor's address; null = it is not known. */
  readonly visitor: Addr | null;
}

const UNKNOWN = "-";

/** Returns the kind of connections with such a protocol; null = it is another one's. */
export function rawKindOf(protocol: string | null): AgreedKind | null {
  for (const kind of ["tcp", "link"] as const) if (RAW_PROTOCOLS[kind] === protocol) return kind;
  return null;
}

/** Returns the name of the service (docs/wire/gateway.md, "Raw connections"). */
export function formatRawService({ kind, name, visitor }: RawService): string {
  const isIp = visitor !== null && "host" in visitor && isIpAddress(withoutZone(visitor.host));
  const at = isIp ? formatAddr({ host: withoutZone(visitor.host), port: visitor.port }) : UNKNOWN;
  return `${kind} ${name} ${at}`;
}

/** Returns null for what is no such service. */
export function readRawService(service: string): RawService | null {
  const [kind, name, at, ...more] = service.split(" ");
  if ((kind !== "tcp" && kind !== "link" && kind !== "tls") || more.length > 0) return null;
  if (name === undefined || at === undefined || !isPublicName(name)) return null;
  if (at === UNKNOWN) return { kind, name, visitor: null };
  try {
    const visitor = parseHostPort(at);
    return isIpAddress(visitor.host) ? { kind, name, visitor } : null;
  } catch (error) {
    if (error instanceof TtunError) return null;
    throw error;
  }
}
