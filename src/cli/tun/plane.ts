import { firstAddresses } from "../../app/net/first_addresses.ts";
import { formatCidr, withoutDoubles } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Listener } from "../../contract/dial.ts";
import { formatHopAddress } from "../../core/hop/hop_address.ts";
import { hasJournals } from "../../io/changes/journal_folder.ts";
import { ownFolder } from "../status/folders.ts";
import { CARRIER_MARK } from "./carrier_mark.ts";
import { load } from "../plane/load.ts";
import { isGranted } from "../platform/permissions.ts";
import { prepareListens } from "../forward/stream_targets.ts";
import { openForwards } from "../forward/open_forwards.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, runPlane } from "../plane/run_plane.ts";
import { openDarwin } from "../platform/darwin.ts";
import { openLinux } from "../platform/linux.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import type { Platform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { openWindows } from "../platform/windows.ts";
import { runClient } from "./client_plane.ts";
import { hopOf, hostOf, mayNeedNames } from "../transport/endpoint.ts";
import { keyedHop } from "../transport/hop_key.ts";
import { dialerFor, listenerName, openLinkServer, openListener } from "../transport/open.ts";
import type { TunConfig, TunFacts, TunStart } from "./plane_config.ts";
import { manyClients, runServer } from "./server_plane.ts";
import type { Tools, Tunnel } from "./tunnel.ts";
import { startWarmUp } from "./warm_up.ts";

/**
 * Owns the reactor, the device, the sockets and the ciphers.
 * @throws the reason of `host.stop`, or the failure that ended it
 */
export async function run(config: TunConfig, host: PlaneHost): Promise<void> {
  // Nothing can be loaded once there is a loop that blocks.
  const gateways = mayHaveGateway(config) ? await load(loadGateway) : null;
  const mark = config.gateway === null ? undefined : CARRIER_MARK;
  const nat = config.nat === null ? null : await load(() => import("./nat.ts"));
  const pushed = config.acceptRoutes ? await load(() => import("./pushed_routes.ts")) : null;
  const dns = config.dns === null ? null : await load(() => import("./dns_settings.ts"));
  await runPlane(config, host, {
    mark,
    setsNameServers: config.dns !== null,
    mayMeetNames: meetsNames(config),
    endpoints: config.end.role === "client" ? [config.end.server] : config.end.listen,
    userChange: { keeps: "network" },
    openPlatform: () => openPlatform(config),
    open: (tools: Tools) => open(config, tools, { gateways, nat, pushed, dns }),
  });
}

/** Mistakes of the user show before the device exists. */
async function open(
  config: TunConfig,
  tools: Tools,
  modules: Modules,
): Promise<OpenedPlane<TunStart>> {
  const { platform, opened, log, signal, ciphers } = tools;
  const { end: carrier } = config;
  chooseIo(config.io); // refuses what this system does not have
  const { choice: congestion } = platform.planCongestion(config.congestion);
  const many = carrier.role === "client" ? undefined : manyClients(config, carrier.many);
  const segmentBytes = { [carrier.role === "client" ? "dial" : "listen"]: config.segmentSize };
  const mark = config.gateway === null ? undefined : CARRIER_MARK;
  const net = platform.openNet({ ...config, segmentBytes, mark }, log);
  if (carrier.role === "server") prepareListens(platform);
  const isForPackets = true;
  const listening: { name: string; listener: Listener }[] = [];
  const listen = carrier.role === "server" ? carrier.listen : [];
  const hops = listen.flatMap((endpoint) => hopOf(endpoint) ?? []);
  for (const endpoint of listen.filter((endpoint) => hopOf(endpoint) === null)) {
    const listener = opened.use(openListener(endpoint, { ...tools, net, isForPackets }));
    listening.push({ name: listenerName(endpoint, listener), listener });
  }
  const forwards = carrier.role === "client" && carrier.forwards !== undefined
    ? openForwards(carrier.forwards, { ...tools, net, io: config.io })
    : null;
  const server = carrier.role === "client"
    ? openLinkServer(carrier.server, config, { ...tools, isForPackets })
    : null;
  const dialer = carrier.role === "client"
    ? dialerFor(carrier.server, net, { ...tools, mark, isForPackets })
    : net;
  const gateway = openGateway(config, tools, modules.gateways);
  if (gateway !== null) opened.use(gateway);
  const addresses = carrier.role === "client" && server !== null && "host" in server
    ? await firstAddresses({
      ...config,
      ...tools,
      resolver: tools.carrierResolver,
      server,
      retries: carrier.retries,
      clock: platform.clock,
      rng,
    })
    : [];
  const device = opened.use(platform.openDevice(config, signal));
  const { mtu, peers } = config;
  const behindClients = many?.networks.routes ?? [];
  const routes = withoutDoubles([
    ...config.routes,
    ...behindClients,
    ...gateway?.halfRoutes ?? [],
  ]);
  const configured = await platform.configure(device.name, {
    mtu: config.mtu,
    addresses: [...config.addresses],
    peers: [...config.peers],
    routes,
    addressesExplicit: config.addressesExplicit,
  });
  // Our own device disappears with its configuration; a persistent one is restored.
  if (device.persistent) opened.use(configured);
  const kept = { mtu, addresses: configured.addresses, peers: [...peers], routes, mark };
  const keeper = opened.use(platform.keep(device.name, kept, log));
  for (const warning of configured.warnings) log.warn(warning);
  gateway?.begin(device.name);
  if (gateway !== null) {
    opened.use(keeper.onAnyChange?.(() => gateway.update()));
    opened.use(gateway.watchFilter(platform.reactor));
  }
  const { libc, reactor } = platform;
  const nat = config.nat === null || modules.nat === null || libc === null ? null : opened.use(
    new modules.nat.NatGateway({
      uplink: config.nat,
      device: device.name,
      networks: [...configured.addresses, ...config.peers, ...config.routes],
      behindClients,
      libc,
      log,
    }),
  );
  if (nat !== null) {
    opened.use(keeper.paths.onChange(() => nat.update()));
    opened.use(nat.watchFilter(reactor));
  }
  const folder = ownFolder();
  const pushedRoutes = modules.pushed === null || platform.libc === null ? null : opened.use(
    new modules.pushed.PushedRoutes(device.name, {
      exclude: config.gateway?.exclude ?? [],
      keeper,
      folder: device.persistent ? folder : null,
      libc: platform.libc,
      log,
    }),
  );
  const dns = modules.dns === null || platform.libc === null || folder === null ? null : opened.use(
    new modules.dns.DnsSettings(device.name, { libc: platform.libc, log, folder }),
  );

  const names = [...listening.map(({ name }) => name), ...hops.map(formatHopAddress)];
  const facts: TunFacts = {
    device: device.name,
    mtu: config.mtu,
    addresses: configured.addresses.map(formatCidr),
    routes: routes.map(formatCidr),
    ...(names.length > 0 && { listen: names.join(" ") }),
  };
  log.info(carrier.role === "server" ? "server" : "client", {
    cipher: config.cipher,
    aead: `${ciphers.name} (${ciphers.detail})`,
    io: config.io === "deno" || platform.reactor === null ? "deno" : "ffi",
  });
  log.info("device", { name: facts.device, mtu: facts.mtu, addresses: facts.addresses.join(",") });
  // Before a client of this machine can have made its device.
  if (carrier.role === "server") keeper.warnOfDuplicates();
  for (const { name } of listening) log.info("listening", { address: name });
  const warmUp = startWarmUp(config, tools, device);
  if (warmUp !== null) opened.use(warmUp);
  const tunnel: Tunnel = {
    ...tools,
    dialer,
    congestion,
    device,
    configured,
    keeper,
    gateway,
    nat,
    pushedRoutes,
    dns,
    warmUp,
    forwards,
  };
  return {
    facts,
    run: (start) => {
      gateway?.started();
      return carrier.role === "client"
        ? runClient(config, { ...carrier, server: server! }, tunnel, addresses, start)
        : runServer(
          config,
          {
            names,
            listeners: listening.map(({ listener }) => listener),
            hops: {
              ends: hops.map((hop) => keyedHop(hop, config)),
              listen: (at, o) => net.listen(at, o),
              portList: tools.portList,
            },
          },
          tunnel,
          many,
          start,
        );
    },
  };
}

async function loadGateway() {
  const [{ Gateway }, { repairAtStart }] = await Promise.all([
    import("./gateway.ts"),
    import("./start_repair.ts"),
  ]);
  return { Gateway, repairAtStart };
}

type GatewayModule = Awaited<ReturnType<typeof loadGateway>>;

/** False for nearly all starts, which a look at a folder costs. */
function mayHaveGateway({ gateway }: TunConfig): boolean {
  if (gateway !== null) return true;
  const folder = Deno.build.os === "linux" ? ownFolder() : null;
  return folder !== null && isGranted({ name: "read", path: folder }) && hasJournals(folder);
}

/** @throws {TtunError} privilege, system */
function openGateway({ dns, gateway }: TunConfig, tools: Tools, module: GatewayModule | null) {
  const { platform: { libc }, log, port } = tools;
  if (module === null || libc === null) return null;
  const folder = ownFolder();
  if (folder === null) {
    throw new TtunError(
      "privilege",
      "Cannot write down what is changed on this machine: there is no folder for it; run ttun with " +
        "sudo",
    );
  }
  const leftovers = module.repairAtStart(folder, { libc, log });
  if (gateway !== null) {
    const o = { libc, log, port, ownsNames: dns !== null };
    return new module.Gateway(gateway, folder, o, leftovers);
  }
  if (leftovers.length > 0) {
    log.warn(
      "the kill switch of a killed ttun is in force, and lets nothing out; to take it away, run: " +
        "sudo ttun doctor --repair",
    );
  }
  return null;
}

/** Parts that most tunnels do without; null = not loaded. */
interface Modules {
  readonly gateways: GatewayModule | null;
  readonly nat: typeof import("./nat.ts") | null;
  readonly pushed: typeof import("./pushed_routes.ts") | null;
  readonly dns: typeof import("./dns_settings.ts") | null;
}

/** A client's server or a target is given by a name; a server's clients may forward to names. */
function meetsNames({ end, wire }: TunConfig): boolean {
  if (end.role === "server") {
    return wire !== "v1" || end.listen.some((one) => hostOf(one) === null && mayNeedNames(one));
  }
  if (end.forwards !== undefined) return true; // a target of -R may come later
  return mayNeedNames(end.server);
}

/** @throws {TtunError} system, if this system has no platform */
function openPlatform({ io, wintun }: TunConfig): Platform {
  switch (Deno.build.os) {
    case "linux":
      return openLinux(io);
    case "darwin":
      return openDarwin();
    case "windows":
      return openWindows(wintun);
    default:
      throw new TtunError(
        "system",
        `Cannot open a TUN device: not there yet for ${Deno.build.os}`,
      );
  }
}
