import { firstAddresses } from "../../app/net/first_addresses.ts";
import { formatAddr, formatCidr, isIpAddress } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Listener } from "../../contract/dial.ts";
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
import { addressOf, formatEndpoint } from "../transport/endpoint.ts";
import { openListener, openServer } from "../transport/open.ts";
import type { TunConfig, TunFacts, TunStart } from "./plane_config.ts";
import { manyClients, runServer } from "./server_plane.ts";
import type { Tools, Tunnel } from "./tunnel.ts";
import { startWarmUp } from "./warm_up.ts";

/**
 * Owns the reactor, the device, the sockets and the ciphers.
 * @throws the reason of `host.stop`, or the failure that ended it
 */
export async function run(config: TunConfig, host: PlaneHost): Promise<void> {
  await runPlane(config, host, {
    mayMeetNames: meetsNames(config),
    endpoints: config.end.role === "client" ? [config.end.server] : config.end.listen,
    userChange: { keeps: "network" },
    openPlatform: () => openPlatform(config),
    open: (tools: Tools) => open(config, tools),
  });
}

/** Mistakes of the user show before the device exists. */
async function open(config: TunConfig, tools: Tools): Promise<OpenedPlane<TunStart>> {
  const { platform, opened, log, signal, ciphers } = tools;
  const { end: carrier } = config;
  chooseIo(config.io); // refuses what this system does not have
  const { choice: congestion } = platform.planCongestion(config.congestion);
  const many = carrier.role === "client" ? undefined : manyClients(config, carrier.many);
  const segmentBytes = { [carrier.role === "client" ? "dial" : "listen"]: config.segmentSize };
  const net = platform.openNet({ ...config, segmentBytes }, log);
  if (carrier.role === "server") prepareListens(carrier.streams, platform);
  const listening: { name: string; listener: Listener }[] = [];
  for (const endpoint of carrier.role === "server" ? carrier.listen : []) {
    const listener = opened.use(openListener(endpoint, { ...tools, net }));
    const isTcp = addressOf(endpoint) !== null;
    listening.push({
      name: isTcp ? formatAddr(listener.addr) : formatEndpoint(endpoint),
      listener,
    });
  }
  const forwards = carrier.role === "client" && carrier.forwards !== undefined
    ? openForwards(carrier.forwards, { ...tools, net, io: config.io })
    : null;
  const server = carrier.role === "client" ? openServer(carrier.server, tools) : null;
  const addresses = carrier.role === "client" && server !== null && "host" in server
    ? await firstAddresses({
      ...config,
      ...tools,
      server,
      retries: carrier.retries,
      clock: platform.clock,
      rng,
    })
    : [];
  const device = opened.use(platform.openDevice(config, signal));
  const configured = await platform.configure(device.name, {
    mtu: config.mtu,
    addresses: [...config.addresses],
    peers: [...config.peers],
    routes: [...config.routes],
    addressesExplicit: config.addressesExplicit,
  });
  // Our own device disappears with its configuration; a persistent one is restored.
  if (device.persistent) opened.use(configured);
  const { mtu, peers, routes } = config;
  const kept = { mtu, addresses: configured.addresses, peers: [...peers], routes: [...routes] };
  const keeper = opened.use(platform.keep(device.name, kept, log));
  for (const warning of configured.warnings) log.warn(warning);

  const facts: TunFacts = {
    device: device.name,
    mtu: config.mtu,
    addresses: configured.addresses.map(formatCidr),
    routes: config.routes.map(formatCidr),
    ...(listening.length > 0 && { listen: listening.map(({ name }) => name).join(" ") }),
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
    net,
    congestion,
    device,
    configured,
    keeper,
    warmUp,
    forwards,
  };
  return {
    facts,
    run: (start) =>
      carrier.role === "client"
        ? runClient(config, { ...carrier, server: server! }, tunnel, addresses, start)
        : runServer(config, listening.map(({ listener }) => listener), tunnel, many, start),
  };
}

/** A client's server or a target is given by a name; a server's clients may forward to names. */
function meetsNames({ end, wire }: TunConfig): boolean {
  if (end.role === "server") return wire !== "v1";
  if (end.forwards !== undefined) return true; // a target of -R may come later
  const server = addressOf(end.server);
  return server !== null && !isIpAddress(server.host);
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
