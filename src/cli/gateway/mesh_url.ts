import type { HostPort } from "../../base/addr.ts";
import { readApex, readLabel } from "../../core/gateway/label.ts";
import { readAddress } from "../command/address_args.ts";
import { GATEWAY_PORT } from "../mesh/options.ts";
import { parametersOf, unreadable, type WrittenUrl } from "../transport/url_parameters.ts";

const FORMS = {
  server: "mesh://DOMAIN[:PORT]/NAME[?at=HOST[:PORT],…][&ca=FILE]",
  listen: "mesh://DOMAIN/NAME[?data=DIR]",
} as const;

/** A service at a name of a mesh, as a client's URL has it. */
export interface MeshServerUrl {
  readonly apex: string;
  /** Port of gateways that are found by the apex. */
  readonly port: number;
  readonly name: string;
  /** Where gateways are; empty = at the apex. */
  readonly at: readonly HostPort[];
  /** PEM file of the authorities that are trusted; null = those of the agent here, or the system's. */
  readonly ca: string | null;
}

/** A name that this machine's agent serves. */
export interface MeshListenUrl {
  readonly apex: string;
  readonly name: string;
  /** The agent's folder; null = the usual one. */
  readonly data: string | null;
}

/** Checks what stands behind `mesh:` in a client's URL. @throws {TtunError} usage */
export function readMeshServer(rest: string): string {
  parseMeshServer(rest);
  return rest;
}

/** Checks what stands behind `mesh:` in a listener's URL. @throws {TtunError} usage */
export function readMeshListen(rest: string): string {
  parseMeshListen(rest);
  return rest;
}

export function parseMeshServer(rest: string): MeshServerUrl {
  const url: WrittenUrl = { scheme: "mesh", rest, form: FORMS.server };
  const { authority, name, query } = split(url);
  const { at = "", ca = null } = parametersOf(url, query, ["at", "ca"]);
  const { host, port } = readAddress(authority, { port: GATEWAY_PORT });
  const places = at === "" ? [] : at.split(",");
  return {
    apex: readApex(host),
    port,
    name,
    at: places.map((place) => readAddress(place, { port: GATEWAY_PORT })),
    ca,
  };
}

export function parseMeshListen(rest: string): MeshListenUrl {
  const url: WrittenUrl = { scheme: "mesh", rest, form: FORMS.listen };
  const { authority, name, query } = split(url);
  const { data = null } = parametersOf(url, query, ["data"]);
  return { apex: readApex(authority), name, data };
}

function split(url: WrittenUrl): { authority: string; name: string; query: string } {
  const [, authority, name, query = ""] =
    /^\/\/([^/?#]+)\/([^/?#]+)\/?(?:\?(.*))?$/s.exec(url.rest) ?? [];
  if (authority === undefined || name === undefined) {
    throw unreadable(url, `write ${url.form}`);
  }
  return { authority, name: readLabel(name), query };
}
