import { formatAddr, formatCidr, isIpAddress, plainHost } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { type LogLevel, makeLogger } from "../../base/log.ts";
import type { ServerMemory } from "../../app/link/connect.ts";
import { firstAddresses } from "../../app/net/first_addresses.ts";
import { PoolRouter } from "../../app/tun/pool_router.ts";
import { counterFacts } from "../../app/tun/counters.ts";
import { PeerRouter } from "../../app/tun/peer_router.ts";
import type { TunRouter } from "../../app/tun/tun_router.ts";
import { runTunClient } from "../../app/system/tun_client.ts";
import { runTunServer } from "../../app/system/tun_server.ts";
import { DEFAULT_REKEY } from "../../app/link/v2_link.ts";
import type { WireSecrets } from "../../app/link/config.ts";
import type { Paths } from "../../contract/routing.ts";
import { AddressPool } from "../../core/ip/address_pool.ts";
import { ClientNetworks } from "../../core/ip/client_networks.ts";
import { parseResolvConf } from "../../core/dns/resolv_conf.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import { LONGEST_PACKET } from "../../app/link/accept.ts";
import { nodeKeyExchange } from "../../io/crypto/x25519.ts";
import { chooseCiphers } from "../platform/choose_cipher.ts";
import type { PlaneHost, TunConfig, TunFacts, TunStart } from "../plane/messages.ts";
import { AssignedAddresses } from "./assigned_addresses.ts";
import { LeaseReports } from "./lease_reports.ts";
import type { Platform } from "../platform/platform.ts";
import { openDarwin } from "../platform/darwin.ts";
import { openLinux } from "../platform/linux.ts";
import { openWindows } from "../platform/windows.ts";
import { loadNames, type OpenNames } from "../platform/load_names.ts";
import { PlanePort } from "../plane/worker_port.ts";
import { isGranted } from "../platform/permissions.ts";
import { rng } from "../platform/rng.ts";

/**
 * A tunnel's part of the data plane: it owns the reactor, the device, the sockets and the ciphers.
 * With Deno's own sockets the same code runs, only the wait does not block.
 */
export async function runTunPlane(
  config: TunConfig,
  { port, stop, logLevel }: PlaneHost,
): Promise<void> {
  const openNames = await loadNames(
    config.carrier.role === "client" && !isIpAddress(config.carrier.server.host),
  );
  await using machine = openPlatform(config);
  const orders = new PlanePort<TunStart>(port, machine.reactor);
  void orders.stop.then(() => stop.abort()); // `stop` never rejects
  await run(config, machine, openNames, orders, logLevel, stop.signal);
}

async function run(
  config: TunConfig,
  machine: Platform,
  openNames: OpenNames,
  orders: PlanePort<TunStart>,
  logLevel: LogLevel,
  signal: AbortSignal,
): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const { carrier } = config;
  const { clock } = machine;
  const log = makeLogger((record) => orders.report({ kind: "log", record }), Date.now, logLevel);
  // Everything that can fail for the user's sake fails before the device is there.
  machine.check(config);
  const becomeUser = config.user === undefined
    ? null
    : machine.userChange(config.user, { keeps: "network" });
  const ciphers = opened.use(chooseCiphers(config.aead, log));
  const many = carrier.role === "client" || carrier.many === undefined ? undefined : {
    clients: carrier.many.clients,
    pool: new AddressPool(
      carrier.many.pool,
      config.addresses,
      carrier.many.clients,
      carrier.many.leases,
    ),
    networks: new ClientNetworks(carrier.many.networks),
  };
  const segmentBytes = { dial: config.segmentSize, listen: config.segmentSize };
  const net = machine.openNet({ ...config, segmentBytes }, log);
  const listener = carrier.role === "server"
    ? opened.use(net.listen(carrier.listen, { signal }))
    : null;
  const resolver = openNames((host) => orders.resolve(host, { signal }), machine);
  const addresses = carrier.role === "client"
    ? await firstAddresses({ ...carrier, ...config, resolver, clock, log, rng, signal })
    : [];
  const device = opened.use(machine.openDevice(config, signal));
  const configured = await machine.configure(device.name, {
    mtu: config.mtu,
    addresses: [...config.addresses],
    peers: [...config.peers],
    routes: [...config.routes],
    addressesExplicit: config.addressesExplicit,
  });
  // A device of our own takes everything with it; one that stays is left as it was found.
  if (device.persistent) opened.use(configured);
  const { mtu, peers, routes } = config;
  const kept = { mtu, addresses: configured.addresses, peers: [...peers], routes: [...routes] };
  const keeper = opened.use(machine.keep(device.name, kept, log));
  for (const warning of configured.warnings) log.warn(warning);

  const facts: TunFacts = {
    device: device.name,
    mtu: config.mtu,
    addresses: configured.addresses.map(formatCidr),
    routes: config.routes.map(formatCidr),
    ...(listener === null ? {} : { listen: formatAddr(listener.addr) }),
  };
  log.info(carrier.role === "server" ? "server" : "client", {
    cipher: config.cipher,
    aead: `${ciphers.name} (${ciphers.detail})`,
    io: config.io === "deno" || machine.reactor === null ? "deno" : "ffi",
  });
  log.info("device", { name: facts.device, mtu: facts.mtu, addresses: facts.addresses.join(",") });
  if (facts.listen !== undefined) log.info("listening", { address: facts.listen });
  orders.report({ kind: "ready", facts });
  const start = await Promise.race([orders.go, orders.stop]);
  if (start === undefined) return; // stopped before it began
  const leaveRoot = () => {
    if (becomeUser === null) return;
    if (carrier.role === "client") openEarly(keeper.paths, [...addresses, carrier.server.host]);
    const keepsNetwork = becomeUser();
    log.info("became another user", { user: config.user });
    if (!keepsNetwork) {
      log.warn(
        "--user gives up the privilege to change the network: what others take from the device " +
          "cannot be put back" +
          (device.persistent && configured.changed ? ", and what ttun changed on it stays" : ""),
      );
    }
  };
  let isRoot = config.userAfterUp;
  if (!isRoot) leaveRoot();

  const packets = { mssClamp: config.mssClamp, longest: LONGEST_PACKET };
  const secrets: WireSecrets = {
    mode: config.wire,
    v1: { psk: config.psk, cipher: config.cipher, makeCipher: ciphers.factory },
    s: start.s,
    keyExchange: nodeKeyExchange,
    rng,
    wallClock: Date.now,
    rekey: { ...DEFAULT_REKEY, ms: config.rekeySeconds * 1000 },
  };
  const { congestion } = config;
  const counted = <T extends TunRouter>(router: T): T => {
    orders.onStatus = () => log.info("status", counterFacts(router));
    return router;
  };
  const common = { secrets, clock, log, signal, congestion };
  if (carrier.role === "client") {
    const { server, retries } = carrier;
    const memory = rememberV2(start.seenV2, orders);
    const instance = rng(ID_SIZE);
    // A server may give others soon. Where none does, or will not have us, these are used.
    opened.use(clock.after(NO_ADDRESSES_MS, () => keeper.warnOfDuplicates()));
    const { whyForgotten = null } = start;
    const given = new AssignedAddresses(
      keeper,
      device.name,
      { ...config, whyForgotten, nameServers: nameServers() },
      configured.addresses,
      log,
    );
    await runTunClient({
      ...common,
      router: counted(new PeerRouter(device, clock, packets)),
      takeAddresses: async (addresses, { server, signal }) => {
        const host = "host" in server ? server.host : undefined;
        await given.take(addresses, host);
        keeper.sessionBegins(host);
        await orders.tellAddresses(given.present.map(formatCidr), signal);
        if (isRoot) leaveRoot();
        isRoot = false;
        keeper.sessionBegins(host); // the --up command may have sent everything into the tunnel
      },
      paths: keeper.paths,
      server,
      retries,
      dialer: net,
      resolver,
      addresses,
      memory,
      instance,
      identity: start.identity,
    });
  } else if (listener !== null) {
    keeper.warnOfDuplicates();
    const leases = many === undefined ? null : opened.use(
      new LeaseReports(clock, many.pool, (leases) => orders.report({ kind: "leases", leases })),
    );
    await runTunServer({
      ...common,
      listener,
      onSession: (host) => keeper.sessionBegins(host),
      router: counted(
        many === undefined
          ? new PeerRouter(device, clock, packets)
          : new PoolRouter(device, clock, { ...packets, log, networks: many.networks }),
      ),
      ...(many !== undefined && { many: { ...many, onLeases: () => leases?.changed() } }),
    });
  }
}

/**
 * Opens the ways to known addresses while there is surely the privilege to make routes for them. A
 * failure comes again at the dial, which tells why.
 */
function openEarly(paths: Paths, hosts: readonly string[]): void {
  for (const host of hosts) {
    try {
      paths.open(plainHost(host));
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
    }
  }
}

/** After so long without a session a client's own addresses are worth a warning. */
const NO_ADDRESSES_MS = 3_000;

/** In this process by itself; for later ones the main thread writes it down. */
function rememberV2(known: boolean, orders: PlanePort<TunStart>): ServerMemory {
  let seenV2 = known;
  return {
    get seenV2() {
      return seenV2;
    },
    reportV2: () => {
      if (!seenV2) orders.report({ kind: "reportV2" });
      seenV2 = true;
    },
  };
}

/** Of /etc/resolv.conf, where it may be read: none of them may be behind the tunnel by surprise. */
function nameServers(): readonly string[] {
  const path = "/etc/resolv.conf";
  if (Deno.build.os === "windows" || !isGranted({ name: "read", path })) return [];
  try {
    return parseResolvConf(Deno.readTextFileSync(path)).servers;
  } catch {
    return []; // there is none
  }
}

/** By the operating system that this is. @throws {TtunError} system, where there is none for it */
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
