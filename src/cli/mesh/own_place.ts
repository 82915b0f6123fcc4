import { formatIp, type HostPort, parseIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { isPlaceName } from "../../core/mesh/admission/node_certificate.ts";
import { isLoopback } from "../../base/loopback.ts";
import { isGranted } from "../platform/permissions.ts";
import { JOIN_PORT, MESH_PORT } from "./options.ts";

export interface OwnPlace {
  readonly host: string;
  readonly zone: string;
  /** Where other nodes reach this one. */
  readonly address: HostPort;
  readonly joinAt: HostPort;
}

/** Returns where this machine is, as its node says it. @throws {TtunError} usage */
export function ownPlace(
  o: {
    readonly host: string | undefined;
    readonly zone: string | undefined;
    readonly advertise: HostPort | undefined;
    readonly joinAt?: HostPort | undefined;
  },
): OwnPlace {
  const host = o.host ?? machineName();
  const zone = o.zone ?? "";
  for (const [option, name] of [["--host", host], ["--zone", zone]] as const) {
    if (name === "" && option === "--zone" || isPlaceName(name)) continue;
    throw new TtunError(
      "usage",
      `Cannot use ${
        JSON.stringify(name)
      }: give ${option} a name of letters, digits, dots and dashes`,
    );
  }
  const address = o.advertise ?? { host: ownAddress(), port: MESH_PORT };
  return { host, zone, address, joinAt: o.joinAt ?? { host: address.host, port: JOIN_PORT } };
}

function machineName(): string {
  if (!isGranted({ name: "sys", kind: "hostname" })) return "";
  return Deno.hostname().replaceAll(/[^A-Za-z0-9._-]/g, "-").slice(0, 64);
}

/** IPv4 first: more networks have it. */
function ownAddress(): string {
  if (!isGranted({ name: "sys", kind: "networkInterfaces" })) return "127.0.0.1";
  const found = Deno.networkInterfaces().map(({ address }) => address)
    .filter((address) => !isLoopback(address) && !address.toLowerCase().startsWith("fe80:"));
  const best = found.find((address) => parseIp(address)?.length === 4) ?? found[0];
  const ip = best === undefined ? null : parseIp(best);
  return ip === null ? "127.0.0.1" : formatIp(ip);
}
