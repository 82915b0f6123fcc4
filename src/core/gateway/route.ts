import { encodeBase64Url } from "../../base/base64url.ts";
import { utf8 } from "../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import type { Signer, VerifySignature } from "../../contract/signature.ts";
import {
  type AgentFacts,
  mayHaveName,
  verifyAgentCertificate,
} from "../mesh/admission/agent_certificate.ts";
import { bytesField, numberField, readFields } from "../mesh/admission/json.ts";
import type { NodeKey } from "../mesh/node_id.ts";

/** Milliseconds that a route holds; the agent signs another one when a third of that has gone. */
export const ROUTE_MS = 90_000;

/** Milliseconds that clocks may differ. */
const SKEW = 120_000;

/** An agent's word that visitors of its name find it at a node, on the ring as `route/NAME/NODE`. */
export interface Route {
  /** The agent's, in DER. */
  readonly certificate: Uint8Array;
  /** Milliseconds since 1970. */
  readonly expires: number;
  readonly signature: Uint8Array;
  /** Visitors' TLS goes to the agent as it is. */
  readonly isPassthrough: boolean;
}

/** Facts that a route is for. */
export interface RoutePlace {
  readonly name: string;
  readonly apex: string;
  readonly node: NodeKey;
}

const WHAT = "a route of the store";

/** Prefix of the keys of a name's routes. */
export function routesOf(name: string): string {
  return `route/${name}/`;
}

export function routeKey({ name, node }: Pick<RoutePlace, "name" | "node">): string {
  return routesOf(name) + node;
}

/**
 * Key of the record that a name's visitors' TLS goes to its agent as it is, also while that is off: then
 * no node ends it either.
 */
export function passthroughKey(name: string): string {
  return `passthrough/${name}`;
}

/** Returns the node of a route's key. */
export function nodeOfRoute(key: string): NodeKey {
  return key.slice(key.lastIndexOf("/") + 1);
}

export function signRoute(
  agent: Signer,
  place: RoutePlace,
  o: Pick<Route, "expires" | "isPassthrough">,
): Uint8Array {
  return agent.sign(messageOf(place, o));
}

export function encodeRoute({ certificate, expires, signature, isPassthrough }: Route): Uint8Array {
  return utf8(JSON.stringify({
    certificate: encodeBase64Url(certificate),
    expires,
    signature: encodeBase64Url(signature),
    ...(isPassthrough && { passthrough: true }),
  }));
}

/** @throws {ProtocolError} */
export function decodeRoute(bytes: Uint8Array): Route {
  const fields = readFields(bytes, WHAT);
  return {
    certificate: bytesField(fields, "certificate", WHAT),
    expires: numberField(fields, "expires", WHAT),
    signature: bytesField(fields, "signature", WHAT, 64),
    isPassthrough: fields["passthrough"] === true,
  };
}

export interface RouteTrust {
  /** Public keys of the cluster's authorities. */
  readonly authorities: readonly Uint8Array[];
  readonly verify: VerifySignature;
  readonly isRevoked: (agentId: Uint8Array) => boolean;
}

/** Checks that the route is an agent's word for that place, and holds. @throws {TtunError} auth, clock */
export function verifyRoute(
  { certificate, expires, signature, isPassthrough }: Route,
  place: RoutePlace,
  { isRevoked, ...trust }: RouteTrust,
  nowMs: number,
): AgentFacts {
  const agent = verifyAgentCertificate(certificate, trust, nowMs);
  if (isRevoked(agent.agentId)) throw refusal("its agent was revoked");
  if (!mayHaveName(agent, place.name)) throw refusal("its agent may not have the name");
  if (nowMs >= expires) throw refusal("it has expired");
  if (expires > nowMs + ROUTE_MS + SKEW) throw refusal("it is from the future; set both clocks");
  if (!trust.verify(agent.publicKey, messageOf(place, { expires, isPassthrough }), signature)) {
    throw refusal("its agent has not signed it");
  }
  return agent;
}

/** Returns the route's agent, and its end; null for one that does not hold, or is damaged. */
export function readRoute(
  bytes: Uint8Array,
  place: RoutePlace,
  trust: RouteTrust,
  nowMs: number,
): Pick<Route, "expires" | "isPassthrough"> & { readonly agent: AgentFacts } | null {
  try {
    const route = decodeRoute(bytes);
    const { expires, isPassthrough } = route;
    return { agent: verifyRoute(route, place, trust, nowMs), expires, isPassthrough };
  } catch (error) {
    if (error instanceof TtunError || error instanceof ProtocolError) return null;
    throw error;
  }
}

function messageOf(
  { name, apex, node }: RoutePlace,
  { expires, isPassthrough }: Pick<Route, "expires" | "isPassthrough">,
): Uint8Array {
  const facts = [apex, name, node, expires, ...(isPassthrough ? ["passthrough"] : [])];
  return utf8(`ttun mesh route\0${JSON.stringify(facts)}`);
}

function refusal(why: string): TtunError {
  return new TtunError("auth", `Cannot use the route: ${why}`);
}
