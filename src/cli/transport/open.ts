import { formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { DirectServer } from "../../app/system/server_name.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import type { KeyedHopAddress } from "../../core/hop/hop_address.ts";
import type { LayerTools, Transport, TransportTools, WayTools } from "../../io/transport.ts";
import { load } from "../plane/load.ts";
import type { TicketTools } from "../peer/way_tools.ts";
import { isGranted } from "../platform/permissions.ts";
import type { Net } from "../platform/platform.ts";
import { addressOf, type Endpoint, formatEndpoint, hopOf } from "./endpoint.ts";
import { type HopKey, keyedHop } from "./hop_key.ts";
import { entryOf } from "./table.ts";

/** Characters of a name that stands in many lines of the log. */
const LONGEST_NAME = 120;

/** Parts of a data plane's tools; `opened` owns what the end needs. */
export interface OpenOptions extends TicketTools {
  /** TCP, for ends that have an address. */
  readonly net: Net;
  /** It is for the packets of a device, which all transports carry. */
  readonly isForPackets?: boolean;
}

/** @throws {TtunError} usage, system, if there is no such end here */
export function openServer(
  endpoint: Endpoint,
  o: Omit<OpenOptions, "net" | "port">,
): HostPort | DirectServer {
  requireStreams(endpoint, o);
  const { at } = endpoint;
  const address = addressOf(endpoint);
  if (address !== null) return address;
  if (endpoint.scheme === "peer") return peerEnds!.openPeerServer(`${at}`, withNative(endpoint, o));
  if (endpoint.scheme === "tox") return toxEnds!.openToxServer(`${at}`, o);
  if (endpoint.scheme === "mesh") return meshEnds!.openMeshServer(`${at}`, withNative(endpoint, o));
  const { dialer } = transportOf(endpoint);
  if (dialer === undefined || typeof at !== "string") throw lacking(endpoint);
  const given = { ...tools(endpoint, o), opened: o.opened };
  return { name: given.name, dialer: dialer(at, given) };
}

/** Opens a server for sessions that go on from connection to connection, as ports that hop need. */
export function openLinkServer(
  endpoint: Endpoint,
  key: HopKey,
  o: Parameters<typeof openServer>[1],
): HostPort | DirectServer | KeyedHopAddress {
  const hop = hopOf(endpoint);
  return hop === null ? openServer(endpoint, o) : keyedHop(hop, key);
}

/** The caller owns the listener. @throws {TtunError} in_use, privilege, usage, system */
export function openListener(endpoint: Endpoint, o: OpenOptions): Listener {
  requireStreams(endpoint, o);
  const { at } = endpoint;
  const { net, signal } = o;
  const address = addressOf(endpoint);
  if (address !== null) {
    const { layer, way } = transportOf(endpoint);
    if (way !== undefined) return way.listener(address, wayTools(o));
    if (layer === undefined) return net.listen(address, { signal });
    return layer.listener(net.listen(address, { signal }), address, layerTools(o));
  }
  if (endpoint.scheme === "peer") {
    return peerEnds!.openPeerListener(`${at}`, withNative(endpoint, o));
  }
  if (endpoint.scheme === "tox") return toxEnds!.openToxListener(`${at}`, o);
  if (endpoint.scheme === "mesh") {
    return meshEnds!.openMeshListener(`${at}`, withNative(endpoint, o));
  }
  const { listen } = transportOf(endpoint);
  if (listen === undefined || typeof at !== "string") throw lacking(endpoint);
  return listen(at, { ...tools(endpoint, o), signal });
}

/** Returns what dials the server of a client: `net`, a layer over it, or another way. @throws {TtunError} */
export function dialerFor(
  endpoint: Endpoint,
  net: Dialer,
  o: DialerParts & Pick<OpenOptions, "isForPackets"> & { readonly mark?: number | undefined },
): Dialer {
  requireStreams(endpoint, o);
  const address = addressOf(endpoint);
  const { layer, way } = transportOf(endpoint);
  if (address !== null && way !== undefined) return way.dialer(address, wayTools(o));
  if (address === null || layer === undefined) return net;
  return layer.dialer(net, address, layerTools(o));
}

/** @throws {TtunError} usage, where bytes are to go by a transport of packets alone */
function requireStreams(
  { scheme }: Endpoint,
  { isForPackets = false }: Pick<OpenOptions, "isForPackets">,
): void {
  if (isForPackets || entryOf(scheme).carriesPackets !== true) return;
  throw new TtunError(
    "usage",
    `Cannot use ${scheme}: here: it carries the packets of a device alone (ttun client, ttun ` +
      "server); take another URL",
  );
}

/** Returns how the log names a listener. */
export function listenerName(endpoint: Endpoint, { addr }: Listener): string {
  if (addressOf(endpoint) === null) return formatEndpoint(endpoint);
  return `${endpoint.scheme === "tcp" ? "" : `${endpoint.scheme}://`}${formatAddr(addr)}`;
}

type DialerParts = Pick<OpenOptions, "platform" | "log" | "opened" | "signal">;

function layerTools({ platform: { clock }, log, opened, signal }: DialerParts): LayerTools {
  return { clock, log, opened, signal };
}

function wayTools(o: DialerParts & { readonly mark?: number | undefined }): WayTools {
  const tellClient = (url: string) => o.log.info("a client reaches this server by", { url });
  return { ...layerTools(o), reactor: o.platform.reactor, mark: o.mark, tellClient };
}

/** Code of tickets, which takes more than a transport's own tools, once it is loaded. */
let peerEnds: typeof import("../peer/ticket_transport.ts") | null = null;

/** Code of Tox, which takes as much, once it is loaded. */
let toxEnds: typeof import("../tox/link_ends.ts") | null = null;

/** Code of meshes, which takes as much, once it is loaded. */
let meshEnds: typeof import("../gateway/mesh_ends.ts") | null = null;

/** Code of transports by their scheme, once it is loaded. */
const loaded = new Map<string, Transport>();

/** To be called before there is a reactor whose loop blocks: nothing can be loaded behind that. */
export async function loadTransports(endpoints: readonly Endpoint[]): Promise<void> {
  for (const { scheme } of endpoints) {
    if (scheme === "peer") peerEnds = await load(() => import("../peer/ticket_transport.ts"));
    if (scheme === "tox") toxEnds = await load(() => import("../tox/link_ends.ts"));
    if (scheme === "mesh") meshEnds = await load(() => import("../gateway/mesh_ends.ts"));
    const entry = entryOf(scheme);
    if (entry.load !== undefined) loaded.set(scheme, await load(entry.load));
  }
}

function transportOf({ scheme }: Endpoint): Transport {
  return loaded.get(scheme) ?? {};
}

function tools(endpoint: Endpoint, o: Pick<OpenOptions, "platform" | "log">): TransportTools {
  const { log, platform: { reactor } } = onLinux(endpoint, o);
  return { name: shortened(formatEndpoint(endpoint)), reactor: reactor!, log };
}

/** @throws {TtunError} system, privilege, without native sockets */
function onLinux<O extends Pick<OpenOptions, "platform">>({ scheme }: Endpoint, o: O): O {
  if (o.platform.reactor !== null) return o;
  if (Deno.build.os !== "linux") {
    throw new TtunError(
      "system",
      `Cannot use ${scheme}: URLs here: they are for Linux only so far`,
    );
  }
  throw noNative(scheme);
}

/** @throws {TtunError} privilege, without native calls */
function withNative<O>({ scheme }: Endpoint, o: O): O {
  if (isGranted({ name: "ffi" })) return o;
  throw noNative(scheme);
}

function noNative(scheme: string): TtunError {
  const words = "take native sockets, and Deno was started without --allow-ffi; run with -A";
  return new TtunError("privilege", `Cannot use ${scheme}: URLs here: they ${words}`);
}

function shortened(name: string): string {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
}

/** Such URLs are refused, or opened elsewhere (app/hop), before they come here. */
function lacking({ scheme }: Endpoint): TtunError {
  return new TtunError("internal", `Cannot open this end of a ${scheme}: URL`);
}
