import type { CipherName } from "../../contract/cipher.ts";

/**
 * Version of the report's shape. Fields may be added within one; none changes its meaning or goes.
 * Facts that a kind of end, a system or a moment does not have are absent.
 */
export const STATUS_VERSION = 1;

/** Streams in one report: the rest is counted. */
export const MOST_LISTED_STREAMS = 1000;

/** Parts of a report that are there only if they are asked for. */
export interface ReportWishes {
  /** Streams to list; null = none is asked for. */
  readonly mostStreams: number | null;
  /** The state of the machine is told too, which the kernel is asked for. */
  readonly isWhole?: boolean;
}

export interface TrafficStatus {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Facts of a running end about itself, at one moment. */
export interface EndStatus {
  /** How the other end is reached: the schemes of `-s` or `-l`, each once. */
  readonly transports?: readonly string[];
  /** Implementation of the ciphers: `native`, `node` or `pure`. */
  readonly aead?: string;
  /** Where a server, or a proxy's client, listens. */
  readonly listen?: readonly string[];
  /** The server of a client. */
  readonly server?: string;
  readonly device?: DeviceStatus;
  /** Networks that go into the tunnel, without those of the device's addresses. */
  readonly routes?: readonly RouteStatus[];
  /** Of a client that all traffic of the machine is to go through. */
  readonly defaultRoute?: DefaultRouteStatus;
  /** True while nothing leaves the machine outside the tunnel; absent = that is not asked for. */
  readonly killSwitch?: boolean;
  /** Interfaces by which a server's clients reach other networks. */
  readonly nat?: readonly string[];
  /** Name servers of the machine; absent while they are not the tunnel's. */
  readonly dns?: DnsStatus;
  /** Ports that hop on which a server listens now, those that close first standing first. */
  readonly hopPorts?: readonly HopPortStatus[];
  /** Clients that a server keeps addresses for, and that have no session; the last seen first. */
  readonly absentClients?: readonly AbsentClientStatus[];
  readonly forwards?: readonly ForwardStatus[];
  /** Connections of forwards or of a proxy. */
  readonly connections?: ConnectionsStatus;
  readonly sessions?: readonly SessionStatus[];
  /** Of an end of `ttun tox`, whose friends are its sessions. */
  readonly tox?: ToxStatus;
  /** Of a node of `ttun mesh`. */
  readonly mesh?: MeshStatus;
  /** Of an agent, which publishes services. */
  readonly agent?: AgentStatus;
}

export interface AgentStatus {
  readonly apex: string;
  /** End of its certificate, in seconds since 1970. */
  readonly certificateEnds: number;
  readonly gateways: readonly GatewayLinkStatus[];
  readonly services: readonly ServiceStatus[];
}

export interface GatewayLinkStatus {
  /** HOST:PORT. */
  readonly at: string;
  readonly isUp: boolean;
  /** Words for the last failure; absent while it is up. */
  readonly fault?: string;
}

/** A published service; one of L4 has no requests. */
export interface ServiceStatus extends TrafficStatus {
  readonly name: string;
  /** Requests under way. */
  readonly open: number;
  /** Answers since the start by the first digit of their status, as `2xx`. */
  readonly answers: Readonly<Record<string, number>>;
  /** Requests that the service did not answer, among these. */
  readonly failed: number;
  /** Words for why visitors do not reach it; absent while they do. */
  readonly fault?: string;
}

export interface MeshStatus {
  /** The node's id in hex. */
  readonly node: string;
  /** The machine, as copies of records are told apart. */
  readonly host: string;
  readonly roles: readonly string[];
  readonly ring: "alone" | "settling" | "stable";
  /** `here`: this node has it; `etcd`: an etcd cluster does. */
  readonly core: "here" | "ok" | "degraded" | "etcd";
  /** Other nodes that it knows, by what it takes them for. */
  readonly nodes: Readonly<Record<"alive" | "suspect" | "dead" | "left", number>>;
  /** Nodes that it is linked with, by transport. */
  readonly links: Readonly<Record<"tcp" | "quic", number>>;
  /** Records that it holds, and their bytes. */
  readonly records: number;
  readonly bytes: number;
}

/** A way of Tox: directly, or over a TCP relay. */
export type ToxWay = "udp" | "relay";

export interface ToxStatus {
  /** The Tox ID of this end. */
  readonly id: string;
  /** This node's way to the network; `none` = it has not found it, or has lost it. */
  readonly network: ToxWay | "none";
  /** Other ends that are online, by the way to them. */
  readonly friends: Readonly<Record<ToxWay, number>>;
  /** Of a server: friend requests since the start. */
  readonly requests?: { readonly letIn: number; readonly refused: number };
}

export interface DeviceStatus extends TrafficStatus {
  readonly name: string;
  readonly mtu: number;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
  readonly sentPackets: number;
  readonly receivedPackets: number;
}

export interface RouteStatus {
  readonly to: string;
  /** An option, or what the server of the present session pushes. */
  readonly by: "option" | "server";
}

export interface DefaultRouteStatus {
  /** The device is up and has the route. */
  readonly isInForce: boolean;
  /** Number of the routing table; absent where half routes stand in the main one. */
  readonly table?: number;
  /** Networks that are kept beside the tunnel. */
  readonly beside: readonly string[];
}

export interface DnsStatus {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** Keeper of the machine's name servers, such as `systemd-resolved`. */
  readonly by: string;
}

export interface HopPortStatus {
  readonly port: number;
  readonly state: "asked" | "open" | "taken" | "failed";
  /** Time when it is closed, in seconds since 1970. */
  readonly until: number;
}

export interface AbsentClientStatus {
  /** Empty if it has not told one. */
  readonly name: string;
  readonly addresses: readonly string[];
  /** Since it was here. */
  readonly seconds: number;
}

export interface ForwardStatus {
  /** The server listens for a remote one, all others listen here. */
  readonly kind: "local" | "dynamic" | "remote";
  readonly listen: readonly string[];
  readonly to: string;
  /** Of a remote one: the server listens, or has done so in the last session that there was. */
  readonly isListening?: boolean;
}

export interface ConnectionsStatus extends Partial<TrafficStatus> {
  readonly open: number;
  /** Since the start, the open ones among them. */
  readonly served: number;
  /** Those that have not asked for anything yet. */
  readonly pending?: number;
  /** Pairs of clients that have met at a server with `--permit-relay`, and go through it. */
  readonly relayed?: number;
}

/** Version of the link; `tuntox`: tunnels as the program tuntox has them. */
export type SessionWire = "v1" | "v2" | "tuntox";

export interface SessionStatus extends TrafficStatus {
  /** No other session of the process has this number. */
  readonly id: number;
  /** The other end's address, of its newest carrier. */
  readonly peer: string;
  readonly wire: SessionWire;
  readonly seconds: number;
  readonly cipher?: CipherName;
  /** Since anything has come from the other end (version 2). */
  readonly idleSeconds?: number;
  /** A client's name, and the addresses that it was given. */
  readonly name?: string;
  readonly addresses?: readonly string[];
  /** Streams of either end that have not finished. */
  readonly streams?: number;
  /** Only if they are asked for: those that carried something last. */
  readonly streamList?: readonly StreamStatus[];
  /** Streams that `streamList` leaves out. */
  readonly unlistedStreams?: number;
  /** Bytes that are kept until the other end acknowledges them. */
  readonly keptBytes?: number;
  /** The session's connections, the oldest first. */
  readonly carriers: readonly CarrierStatus[];
}

export interface StreamStatus extends TrafficStatus {
  /** Its number in the session, the same at both ends. */
  readonly id: number;
  readonly kind: "connect" | "listen" | "udp" | "accepted" | "udp listen" | "service";
  /** This end has opened it. */
  readonly isOwn: boolean;
  /** Where it leads, where it listens, or where an accepted one has come from. */
  readonly target: string;
  readonly seconds: number;
  /** Since the last bytes, either way. */
  readonly idleSeconds: number;
}

export interface CarrierStatus {
  readonly number: number;
  readonly peer: string;
  readonly rttMs?: number;
}

/** The answer to a request for the status. */
export interface StatusReport extends EndStatus {
  readonly version: typeof STATUS_VERSION;
  /** The name that `ttun status NAME` takes. */
  readonly name: string;
  /** The words of the command, such as `proxy server`. */
  readonly command: string;
  readonly pid: number;
  /** Seconds since the start. */
  readonly seconds: number;
}
