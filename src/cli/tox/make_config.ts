import { TtunError } from "../../base/errors.ts";
import type { ToxPlace } from "../../core/tox/node_list.ts";
import { parseToxProxy } from "../../core/tox/proxy_variable.ts";
import type { ToxId } from "../../core/tox/tox_id.ts";
import { parseTunnelRules } from "../../core/tuntox/rules.ts";
import { DEFAULT_KEEP, DEFAULT_UDP_IDLE, LONGEST_REKEY } from "../command/session_options.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { readVariable } from "../platform/variables.ts";
import { metricsPlace } from "../status/metrics_place.ts";
import { statusPlace } from "../status/place.ts";
import { readIdentity } from "./identity.ts";
import { linkKey } from "./link_key.ts";
import type { ToxFlags } from "./options.ts";
import type { ToxClientEnd, ToxConfig, ToxServerEnd } from "./plane_config.ts";
import { readText } from "./read_text.ts";
import { userName } from "./user_name.ts";

/** Pings of `-p`. */
const PINGS = 10;

/** Returns true for a client's options, and false for a server's. */
export function isToxClient({ local, remote, dynamic, stdio, ping }: ToxFlags): boolean {
  return local !== undefined || remote !== undefined || dynamic !== undefined ||
    stdio !== undefined || ping;
}

/** Reads the files that options name. @throws {TtunError} usage, privilege */
export function toxConfig(
  options: ToxFlags,
  { nodes, ids, secret, folder }: {
    readonly nodes: readonly ToxPlace[];
    readonly ids: readonly ToxId[];
    readonly secret: string | null;
    /** Null = the identity is a new one. */
    readonly folder: string | null;
  },
): ToxConfig {
  const proxy = readVariable("ALL_PROXY") ?? readVariable("all_proxy");
  const { relayPort, user } = options;
  const isClient = isToxClient(options);
  return {
    kind: "tox",
    io: chooseIo("auto"),
    user: user === undefined ? undefined : userName(user),
    aead: "auto",
    // One that is not for long is no end to look at.
    status: options.ping ? null : statusPlace("tox", options),
    metrics: metricsPlace("tox", options),
    secret,
    link: {
      wire: "v2",
      psk: pskKey(linkKey(secret)),
      cipher: "auto",
      rekeySeconds: LONGEST_REKEY,
    },
    end: isClient ? clientEnd(options, ids) : serverEnd(options, ids, secret),
    node: {
      program: Deno.execPath(),
      savedata: folder === null ? null : readIdentity(folder),
      udpPorts: options.udpPorts,
      relayPort: relayPort === 0 ? undefined : relayPort,
      proxy: proxy === undefined || proxy === "" ? undefined : parseToxProxy(proxy),
      nodes,
    },
  };
}

function clientEnd(
  { local, remote, dynamic, stdio, ping, deadline }: ToxFlags,
  ids: readonly ToxId[],
): ToxClientEnd {
  const server = ids.at(-1);
  if (server === undefined) {
    throw new TtunError("usage", "Cannot be a client without a server: give its Tox ID by -i");
  }
  return {
    role: "client",
    address: server.bytes,
    forwards: {
      specs: [...local ?? [], ...dynamic ?? []],
      remotes: remote ?? [],
      exitOnFailure: true,
      keepMs: DEFAULT_KEEP * 1000,
      udpIdleMs: DEFAULT_UDP_IDLE * 1000,
    },
    stdio,
    pings: ping ? PINGS : 0,
    deadlineMs: deadline * 1000,
  };
}

/** @throws {TtunError} usage, where anybody could come and that is not asked for */
function serverEnd(
  { open, allow, deny, permitListen, rules }: ToxFlags,
  ids: readonly ToxId[],
  secret: string | null,
): ToxServerEnd {
  const whitelist = ids.map(({ publicKey }) => publicKey);
  if (secret === null && whitelist.length === 0 && !open) {
    throw new TtunError(
      "usage",
      "Cannot serve without a secret and without -i: anybody who learns the Tox ID could use " +
        "this machine's network; give --secret-file FILE, or -i TOX_ID of each client, or --open",
    );
  }
  return {
    role: "server",
    whitelist,
    streams: {
      allow: (allow ?? []).flat(),
      deny: (deny ?? []).flat(),
      permitListen: permitListen ?? [],
      relayRate: 0,
      keepMs: DEFAULT_KEEP * 1000,
      udpIdleMs: DEFAULT_UDP_IDLE * 1000,
    },
    tunnels: rules === undefined ? null : parseTunnelRules(readText(rules)),
  };
}
