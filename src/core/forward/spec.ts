import { formatAddr } from "../../base/addr.ts";
import { formatTarget, type ForwardTarget, type Target } from "../../base/target.ts";

/** Forwards as the command line gives them: plain data, which goes from one thread to another. */
export type ForwardSpec = LocalForwardSpec | RemoteForwardSpec | DynamicForwardSpec;

export type ForwardProtocol = "tcp" | "udp";

/** `-L`: this end listens, and the other end connects to the target. */
export interface LocalForwardSpec {
  readonly kind: "local";
  readonly listen: ForwardListen;
  readonly to: ForwardTarget;
  readonly protocol: ForwardProtocol;
}

/** `-R`: the other end listens, and this end connects to the target. */
export interface RemoteForwardSpec {
  readonly kind: "remote";
  readonly listen: ForwardListen;
  /** Null = the target that each connection asks for by SOCKS or HTTP. */
  readonly to: ForwardTarget | null;
  readonly protocol: ForwardProtocol;
}

/** `-D`: this end listens, and the other end connects where SOCKS or HTTP asks for. */
export interface DynamicForwardSpec {
  readonly kind: "dynamic";
  readonly listen: ForwardListen;
}

/** A port, or the path of a unix socket. */
export type ForwardListen = ListenPort | { readonly path: string };

export interface ListenPort {
  /** An IP address; "" = all addresses; null = none was given: loopback only. */
  readonly host: string | null;
  /** 0 = the kernel chooses. */
  readonly port: number;
}

export function formatListen(listen: ForwardListen): string {
  if ("path" in listen) return listen.path;
  const { host, port } = listen;
  return formatAddr({ host: host === null ? "localhost" : host === "" ? "*" : host, port });
}

/** The end of a forward's way for the log. */
export function formatTo(spec: ForwardSpec): string {
  if (spec.kind === "dynamic" || spec.to === null) return "SOCKS and HTTP";
  return spec.protocol === "udp" ? `${formatTarget(spec.to)}/udp` : formatTarget(spec.to);
}

/** True for a forward of datagrams, whose ends are ports. */
export function isUdp(
  spec: ForwardSpec,
): spec is (LocalForwardSpec | RemoteForwardSpec) & { readonly to: Target } {
  return spec.kind !== "dynamic" && spec.protocol === "udp";
}
