import { formatAddr, formatCidr } from "../base/addr.ts";
import { type PlainError, plainError, toTtunError, TtunError } from "../base/errors.ts";
import { makeLogger } from "../base/log.ts";
import type { ServerMemory } from "../app/meet_server.ts";
import { TunHub } from "../app/tun_hub.ts";
import { TunPump } from "../app/tun_pump.ts";
import { runVpnClient } from "../app/vpn_client.ts";
import { serveVpn } from "../app/vpn_server.ts";
import { DEFAULT_REKEY } from "../app/v2_link.ts";
import type { WireSecrets } from "../app/wire.ts";
import { AddressPool } from "../core/address_pool.ts";
import { ID_SIZE } from "../core/link/setup.ts";
import { LONGEST_PACKET } from "../app/admission.ts";
import { NativeError } from "../../ffi/errno.ts";
import { type Libc, openLibc } from "../../ffi/libc.ts";
import { hasCongestion } from "../../ffi/socket.ts";
import { becomeUser, findUser } from "../../ffi/user.ts";
import { DenoNet } from "../io/deno_net.ts";
import { nodeKeyExchange } from "../io/key_exchange.ts";
import { configure } from "../io/netcfg.ts";
import { PosixNet } from "../io/posix_net.ts";
import { Reactor } from "../io/reactor.ts";
import { openDevice } from "../io/tun.ts";
import { chooseCiphers } from "./choose_cipher.ts";
import type { PlaneConfig, PlaneFacts, Report } from "./messages.ts";
import { GivenAddresses } from "./given_addresses.ts";
import { Orders } from "./orders.ts";

/**
 * Entry of the Worker that carries packets: it owns the reactor, the device, the sockets and the
 * ciphers. With Deno's own sockets the same code runs, only the wait does not block.
 */
addEventListener("message", (event) => {
  const { config, port } = (event as MessageEvent<{ config: PlaneConfig; port: MessagePort }>).data;
  runDataPlane(config, port);
}, { once: true });

async function runDataPlane(config: PlaneConfig, port: MessagePort): Promise<void> {
  const stop = new AbortController();
  let error: PlainError | null = null;
  try {
    using libc = openLibc();
    await using reactor = new Reactor(libc, config.io === "deno" ? "async" : "blocking");
    const orders = new Orders(port, reactor);
    orders.stop.then(() => stop.abort());
    await run(config, reactor, orders, stop.signal);
  } catch (thrown) {
    if (!stop.signal.aborted) error = plainError(translate(thrown));
  }
  port.postMessage({ kind: "ended", error } satisfies Report);
  port.close();
  close();
}

/** A system call that no adapter has translated: rare, but a fact of the system, not a bug. */
function translate(thrown: unknown): TtunError {
  if (!(thrown instanceof NativeError)) return toTtunError(thrown);
  return new TtunError("system", `The operating system refused: ${thrown.message}`, {
    cause: thrown,
  });
}

async function run(
  config: PlaneConfig,
  reactor: Reactor,
  orders: Orders,
  signal: AbortSignal,
): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const { carrier } = config;
  const { libc } = reactor;
  const log = makeLogger((record) => orders.report({ kind: "log", record }), Date.now);
  // Everything that can fail for the user's sake fails before the device is there.
  requireCongestion(libc, config.congestion);
  const user = config.user === undefined ? null : findUser(libc, config.user);
  const ciphers = opened.use(chooseCiphers(config.aead, log));
  const pool = carrier.role === "client" || carrier.many === undefined
    ? undefined
    : new AddressPool(carrier.many.pool, config.addresses, carrier.many.clients);
  const net = config.io === "deno" ? denoNet(config, reactor, log) : posixNet(config, reactor);
  const listener = carrier.role === "server"
    ? opened.use(net.listen(carrier.listen, { signal }))
    : null;
  const device = opened.use(openDevice(reactor, {
    name: config.device,
    mtu: config.mtu,
    signal,
    offload: config.offload,
    addresses: config.addresses.map(formatCidr),
  }));
  const configured = configure(libc, device.name, {
    mtu: config.mtu,
    addresses: [...config.addresses],
    peers: [...config.peers],
    routes: [...config.routes],
    addressesAreAsked: config.addressesAreAsked,
  });
  // A device of our own takes everything with it; one that stays is left as it was found.
  if (device.persistent) opened.use(configured);
  if (device.persistent && user !== null && configured.changed) {
    log.warn(
      "what was changed on the device stays when ttun ends: --user gives up the privilege to undo it",
    );
  }
  for (const warning of configured.warnings) log.warn(warning);

  const facts: PlaneFacts = {
    device: device.name,
    mtu: config.mtu,
    addresses: configured.addresses.map(formatCidr),
    routes: config.routes.map(formatCidr),
    ...(listener === null ? {} : { listen: formatAddr(listener.addr) }),
  };
  log.info(carrier.role === "server" ? "server" : "client", {
    cipher: config.cipher,
    aead: `${ciphers.name} (${ciphers.detail})`,
    io: config.io === "deno" ? "deno" : "ffi",
  });
  log.info("device", { name: facts.device, mtu: facts.mtu, addresses: facts.addresses.join(",") });
  if (facts.listen !== undefined) log.info("listening", { address: facts.listen });
  orders.report({ kind: "ready", facts });
  const start = await Promise.race([orders.go, orders.stop]);
  if (start === undefined) return; // stopped before it began
  if (user !== null) {
    becomeUser(libc, user);
    log.info("became another user", { user: user.name });
  }

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
  const common = { secrets, clock: reactor, log, signal, congestion };
  if (carrier.role === "client") {
    const { server, retries } = carrier;
    const memory = rememberV2(start.knowsV2, orders);
    const instance = rng(ID_SIZE);
    const given = new GivenAddresses(libc, device.name, config, configured.addresses, log);
    await runVpnClient({
      ...common,
      pump: new TunPump(device, reactor, packets),
      takeAddresses: (addresses) => given.take(addresses),
      server,
      retries,
      dialer: net,
      resolver: orders,
      memory,
      instance,
    });
  } else if (listener !== null) {
    const { many } = carrier;
    await serveVpn({
      ...common,
      listener,
      pump: many === undefined
        ? new TunPump(device, reactor, packets)
        : new TunHub(device, reactor, { ...packets, log }),
      ...(pool !== undefined && { many: { clients: many!.clients, pool } }),
    });
  }
}

/** @throws {TtunError} usage, where this kernel cannot give a connection that congestion control */
function requireCongestion(libc: Libc, name: string | undefined): void {
  if (name === undefined || hasCongestion(libc, name)) return;
  throw new TtunError(
    "usage",
    `Cannot use --congestion ${name}: this kernel does not have it, or gives it to root only; see ` +
      "sysctl net.ipv4.tcp_available_congestion_control (and: sudo modprobe tcp_bbr)",
  );
}

function rng(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** In this process by itself; for later ones the main thread writes it down. */
function rememberV2(known: boolean, orders: Orders): ServerMemory {
  let knowsV2 = known;
  return {
    get knowsV2() {
      return knowsV2;
    },
    metV2: () => {
      if (!knowsV2) orders.report({ kind: "metV2" });
      knowsV2 = true;
    },
  };
}

/** Unset, a listener takes Multipath TCP and a dialer does not ask for it: as Go's `net` does. */
function posixNet(config: PlaneConfig, reactor: Reactor): PosixNet {
  return new PosixNet(reactor, {
    mptcp: { dial: config.mptcp ?? false, listen: config.mptcp ?? true },
  });
}

function denoNet(
  config: PlaneConfig,
  reactor: Reactor,
  log: ReturnType<typeof makeLogger>,
): DenoNet {
  if (config.mptcp === true) {
    log.warn("Multipath TCP is not to be had with --io deno: plain TCP is used");
  }
  return new DenoNet(reactor.libc);
}
