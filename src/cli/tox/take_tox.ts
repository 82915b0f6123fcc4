import type { Logger } from "../../base/log.ts";
import { parseToxProxy } from "../../core/tox/proxy_variable.ts";
import { formatToxId } from "../../core/tox/tox_id.ts";
import type { RunContext } from "../command/context.ts";
import { pack } from "../peer/packed.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { readVariable } from "../platform/variables.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { findNodes } from "./find_nodes.ts";
import { serverFolder } from "./folder.ts";
import { findToxEnd } from "./hosts.ts";
import { lockIdentity, readIdentity } from "./identity.ts";
import type { ToxListenPlace, ToxServerPlace } from "./link_places.ts";
import { makeIdentity } from "./make_identity.ts";
import type { ToxNodeConfig } from "./plane_config.ts";
import { parseToxListen, parseToxServer, type ToxUrlSettings } from "./tox_url.ts";

/** Puts into a client's `tox:` what the data plane needs of this machine. @throws {TtunError} */
export function takeToxServer({ at }: Endpoint, { log }: Pick<RunContext, "log">): Endpoint {
  requirePermissions(socketNeeds("ffi", "find the Tox network"));
  const { end, settings } = parseToxServer(`${at}`);
  const { id } = findToxEnd(end, (message) => log.warn(message));
  const savedata = settings.dir === undefined ? null : readIdentity(settings.dir);
  if (savedata !== null) lockIdentity(settings.dir!); // until the process ends
  const place: ToxServerPlace = {
    name: `tox:${formatToxId(id.bytes)}`,
    node: nodeOf(settings, savedata, log),
    address: id.bytes,
  };
  return { scheme: "tox", at: pack(place) };
}

/** Does it for a listener, which gets an identity if it has none. @throws {TtunError} */
export function takeToxListen({ at }: Endpoint, { log }: Pick<RunContext, "log">): Endpoint {
  requirePermissions(socketNeeds("ffi", "find the Tox network"));
  const settings = parseToxListen(`${at}`);
  const folder = settings.dir ?? serverFolder();
  const { address, savedata } = makeIdentity(folder);
  lockIdentity(folder); // until the process ends
  const place: ToxListenPlace = {
    name: `tox:${formatToxId(address)}`,
    node: nodeOf(settings, savedata, log),
  };
  return { scheme: "tox", at: pack(place) };
}

function nodeOf(
  { nodes, udpPorts, relayPort }: ToxUrlSettings,
  savedata: Uint8Array<ArrayBuffer> | null,
  log: Logger,
): ToxNodeConfig {
  const proxy = readVariable("ALL_PROXY") ?? readVariable("all_proxy");
  return {
    program: Deno.execPath(),
    ...{ savedata, udpPorts, relayPort },
    proxy: proxy === undefined || proxy === "" ? undefined : parseToxProxy(proxy),
    nodes: findNodes(nodes, log).places,
  };
}
