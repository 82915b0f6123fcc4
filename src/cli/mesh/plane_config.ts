import type { Cidr, HostPort } from "../../base/addr.ts";
import type { ExternalAccount } from "../../core/acme/jws.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { NodeRole } from "../../core/mesh/descriptor.ts";
import type { NodeState } from "./node_folder.ts";
import type { EtcdAccess } from "./open_etcd.ts";

/** A node of a cluster; it crosses to the data plane's Worker. */
export interface MeshConfig extends CommonConfig {
  readonly kind: "mesh";
  readonly folder: string;
  readonly state: NodeState;
  /** The roles that it takes of those in its certificate; null = all. */
  readonly roles: readonly NodeRole[] | null;
  /** Nodes that may invite, where this one has the authority's key. */
  readonly invites: "any" | "core";
  readonly listen: HostPort;
  readonly joinListen: HostPort;
  readonly transport: "auto" | "tcp" | "quic";
  /** An etcd cluster that has the core; null = a node has it. */
  readonly etcd: EtcdAccess | null;
  /** Under which etcd keeps the authority's keys; null = they are a node's, or other nodes' alone. */
  readonly passphrase: string | null;
  /** Milliseconds between backups of this node's core at others. */
  readonly backupEveryMs: number;
  /** The domain of published services; null = there is none. */
  readonly apex: string | null;
  /** Machines without an invite may enroll. */
  readonly isOpen: boolean;
  /** Null = this node takes no visitors. */
  readonly gateway: GatewayConfig | null;
  /** Null = certificates are in files, or the cluster's own. */
  readonly acme: AcmeConfig | null;
  /** Null = this node has no part in the zone. */
  readonly dns: DnsConfig | null;
  /** Null = only the socket in the node's folder. */
  readonly api: HostPort | null;
}

/** A public authority that issues certificates. */
export interface AcmeConfig {
  readonly email: string;
  readonly directory: string;
  /** PEM; null = the system's. */
  readonly ca: string | null;
  readonly account: ExternalAccount | null;
  readonly apex: string;
  /** The domain that has the proofs. */
  readonly zone: string;
}

export interface DnsConfig {
  /** Where questions of DNS come; empty = at other nodes alone. */
  readonly listen: readonly HostPort[];
  /** The domain that the servers answer for. */
  readonly zone: string;
  /** It is that of published services; if not, it has challenges alone. */
  readonly isApex: boolean;
  /** This machine's, as others reach it; empty = that of the node, if it is one. */
  readonly addresses: readonly string[];
  readonly isGateway: boolean;
}

export interface GatewayConfig {
  readonly listen: HostPort;
  readonly apex: string;
  /** Machines without an invite are told what work they may do in its place. */
  readonly isOpen: boolean;
  /** Files of the certificate and its key; null = the cluster's authority makes one. */
  readonly files: { readonly cert: string; readonly key: string } | null;
  /** Visitors may come by HTTP/3 as well, where the node has QUIC. */
  readonly http3: boolean;
  /** Where visitors of plain HTTP come; null = nowhere. */
  readonly redirect: HostPort | null;
  /** Where TLS for names of others goes; null = it is refused. */
  readonly fallback: HostPort | null;
  /** Where agents of other gateways reach this one; null = at the node's own address. */
  readonly advertise: HostPort | null;
  /** Visitors of plain HTTP reach public services by CONNECT. */
  readonly connectsPlain: boolean;
  /** Networks of proxies whose connections begin with a PROXY header. */
  readonly proxyProtocolFrom: readonly Cidr[];
  /** Networks of web proxies whose words about their visitors go on. */
  readonly forwardedFrom: readonly Cidr[];
  /** Lines about requests, on standard output. */
  readonly accessLog: "off" | "text" | "json";
}

export interface MeshFacts {
  /** Node id in hex. */
  readonly node: string;
  /** Places of the API. */
  readonly api: readonly string[];
  /** Where other nodes come. */
  readonly links: string;
  /** Where machines join; null = not here. */
  readonly join: string | null;
  /** Where visitors come; null = not here. */
  readonly gateway: string | null;
  /** Where questions of DNS come; empty = not here. */
  readonly dns: readonly string[];
}
