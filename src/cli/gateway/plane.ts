import { AgentClient } from "../../app/gateway/agent_client.ts";
import { AgentLinks } from "../../app/gateway/agent_links.ts";
import { DEFAULT_LIMITS, limitsFor } from "../../app/net/connection_limits.ts";
import { Quota } from "../../app/net/connection_quota.ts";
import type { Tunnel } from "../../app/gateway/dial_agent.ts";
import { formatAddr } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import { parseCertificate } from "../../core/x509/certificate.ts";
import { hostOfName } from "../../core/gateway/label.ts";
import { PasswordChecks } from "../../core/gateway/password_checks.ts";
import { load } from "../plane/load.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, type PlaneTools, runPlane } from "../plane/run_plane.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { agentOptions } from "./agent_options.ts";
import { AgentWatch } from "./agent_watch.ts";
import { AgentTunnels } from "./agent_tunnels.ts";
import type { InspectorTools } from "./inspector.ts";
import { nodeScrypt } from "./node_scrypt.ts";
import { type OpenPassthrough, type OpenSite, openTunnel } from "./open_tunnel.ts";
import type { AgentConfig } from "./plane_config.ts";

type Tools = PlaneTools<SocketPlatform, null>;
type RawHosts = typeof import("./open_raw_host.ts").rawHosts;
type OpenInspector = typeof import("./inspector.ts").openInspector;

/** Bytes that are read at once for any connection. */
const SCRATCH = 64 * 1024;

/** Needs no privilege. @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: AgentConfig, host: PlaneHost): Promise<void> {
  const inspectors = config.inspect === null ? null : await load(() => import("./inspector.ts"));
  const folders = config.mayChange || config.tunnels.some(({ target }) => target.kind === "folder")
    ? (await load(() => import("./open_folder.ts"))).openFolder
    : null;
  const raw = config.mayChange || config.tunnels.some(({ target }) => target.kind === "raw")
    ? (await load(() => import("./open_raw_host.ts"))).rawHosts
    : null;
  const openSealed =
    config.mayChange || config.tunnels.some(({ passthrough }) => passthrough !== null)
      ? (await load(() => import("./open_passthrough.ts"))).openPassthrough
      : null;
  await runPlane(config, host, {
    mayMeetNames: true,
    openPlatform: () => openSockets(config.io),
    open: (tools: Tools) =>
      openAgent(config, tools, {
        openInspector: inspectors?.openInspector,
        folders,
        rawHosts: raw,
        openSealed,
      }),
  });
}

function openAgent(
  config: AgentConfig,
  tools: Tools,
  { openInspector, folders, rawHosts, openSealed }: {
    readonly openInspector: OpenInspector | undefined;
    readonly folders: OpenSite | null;
    readonly rawHosts: RawHosts | null;
    readonly openSealed: OpenPassthrough | null;
  },
): OpenedPlane<null> {
  const { platform: { clock, descriptors }, log, signal, opened, port } = tools;
  const { io, folder, at, inspect } = config;
  const net = tools.platform.openNet({ io, mptcp: false, segmentBytes: {} }, log);
  const scratch = new Uint8Array(SCRATCH);
  const print = (line: string) => port.report({ kind: "print", line, isProgress: false });
  const listen: InspectorTools["listen"] = (at, o) => net.listen(at, o);
  const inspector = inspect === null
    ? null
    : openInspector?.(inspect, { listen, clock, log, signal, opened, print }) ?? null;
  const linkSecret = (key: Uint8Array) => port.linkSecret(key, signal);
  let places: Quota | null = null;
  // Each connection takes a descriptor, whichever service it is for; one address may have all of them.
  const limits = { ...DEFAULT_LIMITS, perAddress: DEFAULT_LIMITS.total };
  const quota = () => places ??= new Quota(limitsFor(limits, descriptors, log, 1));
  const raw = rawHosts?.({ net, folder, linkSecret, quota }, tools) ?? null;
  const watch = new AgentWatch(config.apex);
  const checks = new PasswordChecks(() => clock.now(), nodeScrypt);
  const tunnels = new AgentTunnels((tunnel) =>
    openTunnel(tunnel, {
      tools,
      net,
      quota,
      scratch,
      folders,
      openSealed,
      inspector,
      raw,
      watch,
      checks,
    })
  );
  tunnels.replace(config.tunnels);
  let place: Place | null = null;
  port.onTunnels((configs) => {
    try {
      const { added, changed, removed } = tunnels.replace(configs);
      const [plus, minus, other] = [added, removed, changed].map((names) => names.join(" "));
      log.info("tunnels", { added: plus!, removed: minus!, changed: other! });
      if (place === null) return;
      for (const tunnel of tunnels.all) {
        if (added.includes(tunnel.name)) print(urlOf(tunnel, place));
      }
    } catch (thrown) {
      const { message, kind } = toTtunError(thrown);
      log.error(`All tunnels stay the same: ${message}`, { kind });
    }
  });
  const own = agentOptions(config, net, tools);
  tools.onReport(() => {
    const names = tunnels.all.map(({ name }) => name);
    const { notAfter } = parseCertificate(own.of(at).certificate());
    return { agent: watch.describe(names, notAfter, Date.now()) };
  });
  const links = new AgentLinks({
    first: at,
    clock,
    log,
    make: (at, { found, ...o }) =>
      new AgentClient({
        ...own.of(at),
        tunnels: () => tunnels.all,
        ...o,
        onOthers: found,
        // One that was added later costs the others nothing.
        isStrict: () => place === null,
        onName: (name, fault) => watch.named(name, fault),
        onFault: (why) => watch.notLinked(formatAddr(at), why),
        onPublished: (domain, publicPort) => {
          watch.linked(formatAddr(at));
          log.info("Linked", { gateway: formatAddr(at), names: tunnels.all.length });
          if (place !== null) return;
          place = { domain, port: publicPort };
          for (const tunnel of tunnels.all) print(urlOf(tunnel, place));
          port.report({ kind: "up" });
        },
      }),
  });
  return { facts: { folder }, run: () => links.run(signal) };
}

/** Domain and port at which the gateways are. */
interface Place {
  readonly domain: string;
  readonly port: number;
}

function urlOf({ name, raw }: Tunnel, { domain, port }: Place): string {
  const suffix = port === 443 ? "" : `:${port}`;
  return raw === undefined || raw.tls !== undefined
    ? `https://${hostOfName(name, domain)}${suffix}/`
    : `mesh://${domain}${suffix}/${name}`;
}
