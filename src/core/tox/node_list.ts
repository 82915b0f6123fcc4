import { type HostPort, isIpAddress } from "../../base/addr.ts";
import { fromHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";

/** A node through which the Tox network is found; names of its host are resolved later. */
export interface ToxPlace extends HostPort {
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** TCP ports on which it relays. */
  readonly relayPorts: readonly number[];
}

/** Nodes that are used of a list. */
const MOST_NODES = 200;

/**
 * Reads the JSON of nodes.tox.chat: an object with `nodes`, each with `ipv4`, `ipv6`, `port`,
 * `public_key` and `tcp_ports`. An entry that is not usable is left out.
 * @throws {TtunError} usage, if it is no such list or nothing in it is usable
 */
export function parseNodeList(text: string): ToxPlace[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    throw new TtunError("usage", "Cannot use the list of Tox nodes: it is not JSON", { cause });
  }
  const nodes = isObject(list) ? list["nodes"] : undefined;
  if (!Array.isArray(nodes)) {
    throw new TtunError("usage", 'Cannot use the list of Tox nodes: it has no array "nodes"');
  }
  const places = nodes.slice(0, MOST_NODES).flatMap(placesOf);
  if (places.length > 0) return places;
  throw new TtunError("usage", "Cannot use the list of Tox nodes: none of its nodes is usable");
}

/**
 * Returns when the page made a list, in milliseconds since 1970; null = the list does not tell.
 * `text`: what `parseNodeList` takes.
 */
export function nodeListTime(text: string): number | null {
  const { last_refresh: refresh, last_scan: scan } = JSON.parse(text) as Record<string, unknown>;
  const seconds = [refresh, scan].find((time) =>
    Number.isSafeInteger(time) && (time as number) > 0
  );
  return seconds === undefined ? null : (seconds as number) * 1000;
}

/** Returns the nodes of several lists, each once, those of the first list first. */
export function joinNodes(...lists: readonly (readonly ToxPlace[])[]): ToxPlace[] {
  const seen = new Map<string, ToxPlace>();
  for (const place of lists.flat()) {
    const name = `${place.host} ${place.port} ${place.publicKey.join()}`;
    if (!seen.has(name)) seen.set(name, place);
  }
  return [...seen.values()].slice(0, MOST_NODES);
}

function placesOf(node: unknown): ToxPlace[] {
  if (!isObject(node)) return [];
  const { ipv4, ipv6, port, public_key: key, tcp_ports: ports } = node;
  if (!isPort(port) || typeof key !== "string" || !/^[0-9a-f]{64}$/i.test(key)) return [];
  const publicKey = new Uint8Array(fromHex(key.toLowerCase()));
  const relayPorts = Array.isArray(ports) ? ports.filter(isPort) : [];
  return [ipv4, ipv6].filter(isHost).map((host) => ({ host, port, publicKey, relayPorts }));
}

/** The list has "-" and "NONE" for no address. */
function isHost(text: unknown): text is string {
  return typeof text === "string" && text.length <= 253 &&
    (isIpAddress(text) || /^[a-z0-9_-]+(\.[a-z0-9_-]+)+\.?$/i.test(text));
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
