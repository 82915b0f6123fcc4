import type { ForwardListen } from "./spec.ts";

/**
 * The host in a request to listen that leaves the address to the server, as in ssh (RFC 4254 section
 * 7.1, and OpenSSH's GatewayPorts).
 */
export const LEFT_TO_SERVER = "localhost";

const ANY = "::";

/** Where a server is asked to listen, as it stands in an open frame (docs/wire/link-v2.md). */
export function listenAddress(
  listen: ForwardListen,
): { readonly host: string; readonly port: number } | { readonly path: string } {
  if ("path" in listen) return listen;
  const { host, port } = listen;
  return { host: host === null ? LEFT_TO_SERVER : host === "" ? ANY : host, port };
}
