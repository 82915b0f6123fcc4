import { limitsFor } from "../../app/net/connection_limits.ts";
import type { ProxyHost } from "../../app/net/proxy_host.ts";
import type { ProxyLimits } from "../../app/net/connection_limits.ts";
import type { TtConfig } from "../../app/tt/config.ts";
import { runProxyClient } from "../../app/system/proxy_client.ts";
import { serveProxy } from "../../app/system/proxy_server.ts";
import { formatAddr, isIpAddress } from "../../base/addr.ts";
import { type Logger, type LogLevel, makeLogger } from "../../base/log.ts";
import type { Listener } from "../../contract/dial.ts";
import { BypassRules } from "../../core/proxy/bypass_rules.ts";
import { Acl } from "../../core/proxy/acl.ts";
import { formatPortRange } from "../../core/hop/port_range.ts";
import { chooseCiphers, type ChosenCiphers } from "../platform/choose_cipher.ts";
import type { Net, SocketPlatform } from "../platform/platform.ts";
import type { PlaneHost, ProxyConfig, ProxyFacts } from "../plane/messages.ts";
import { PlanePort } from "../plane/worker_port.ts";
import { loadNames, type OpenNames } from "../platform/load_names.ts";
import { isGranted } from "../platform/permissions.ts";
import { passwordCheck } from "./auth.ts";
import { rng } from "../platform/rng.ts";
import { openDenoSockets } from "../platform/sockets_deno.ts";
import { openLinuxSockets } from "../platform/sockets_linux.ts";

/** Ports below it are for those who have the privilege, on most systems. */
const FIRST_FREE_PORT = 1024;

/** A proxy's part of the data plane: sockets and ciphers, no device and no privilege. */
export async function runProxyPlane(
  config: ProxyConfig,
  { port, stop, logLevel }: PlaneHost,
): Promise<void> {
  const openNames = await loadNames(mayMeetNames(config.end));
  await using machine = openSockets(config.io);
  const orders = new PlanePort<null>(port, machine.reactor);
  void orders.stop.then(() => stop.abort()); // `stop` never rejects
  await run(config, machine, openNames, orders, logLevel, stop.signal);
}

/** With native calls at hand Deno's sockets have more options: what Deno alone cannot set. */
function openSockets(io: ProxyConfig["io"]): SocketPlatform {
  const isNative = io === "ffi" || (Deno.build.os === "linux" && isGranted({ name: "ffi" }));
  return isNative ? openLinuxSockets(io, { busyPoll: true }) : openDenoSockets();
}

async function run(
  config: ProxyConfig,
  machine: SocketPlatform,
  openNames: OpenNames,
  orders: PlanePort<null>,
  logLevel: LogLevel,
  signal: AbortSignal,
): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const log = makeLogger((record) => orders.report({ kind: "log", record }), Date.now, logLevel);
  const becomeUser = config.user === undefined ? null : machine.userChange(config.user);
  const ciphers = opened.use(chooseCiphers(config.aead, log));
  // Programs and targets have paths of their own.
  const segmentBytes = { [config.end.role === "client" ? "dial" : "listen"]: config.segmentSize };
  const net = machine.openNet({ io: config.io, mptcp: false, segmentBytes }, log);
  const { end } = config;
  const listener = end.role === "client" ? opened.use(net.listen(end.listen, { signal })) : null;
  const resolver = openNames((host) => orders.resolve(host, { signal }), machine);
  const facts = tellStart(config, ciphers, listener, log);
  orders.report({ kind: "ready", facts });
  const start = await Promise.race([orders.go, orders.stop]);
  if (start === undefined) return; // stopped before it began
  if (becomeUser !== null) {
    becomeUser();
    log.info("became another user", { user: config.user });
  }
  const own = end.role === "server" ? opened.use(machine.ownAddresses()) : null;
  await runEnd(
    config,
    listener,
    ciphers,
    net,
    {
      dialer: net,
      resolver,
      clock: machine.clock,
      wallClock: Date.now,
      rng,
      log,
      signal,
      onCounters: (counters) => orders.onStatus = () => log.info("status", { ...counters() }),
    },
    limitsFor(config.limits, machine.descriptors, log),
    (ip) => own?.has(ip) === true,
  );
}

/** True when this end may have to resolve names. */
function mayMeetNames(end: ProxyConfig["end"]): boolean {
  return end.role === "server" || end.direct.length > 0 || !isIpAddress(end.server);
}

/** Logs what has been set up. */
function tellStart(
  { end, cipher, io, range, user }: ProxyConfig,
  ciphers: ChosenCiphers,
  listener: Listener | null,
  log: Logger,
): ProxyFacts {
  const means = {
    cipher,
    aead: `${ciphers.name} (${ciphers.detail})`,
    io,
    ports: formatPortRange(range),
  };
  if (end.role === "client") {
    const listen = formatAddr(listener!.addr);
    log.info("proxy client", means);
    log.info("listening", { address: listen, server: end.server });
    return { listen };
  }
  log.info("proxy server", {
    ...means,
    host: end.host === "" ? "all addresses" : end.host,
    keys: end.keys.length,
  });
  if (user !== undefined && range.first < FIRST_FREE_PORT) {
    log.warn(
      `ports below ${FIRST_FREE_PORT} are for root on most systems, and --user gives that up: ` +
        "those of --port-range may be refused from now on",
    );
  }
  return { listen: end.host };
}

async function runEnd(
  config: ProxyConfig,
  listener: Listener | null,
  ciphers: ChosenCiphers,
  net: Net,
  host: ProxyHost,
  limits: ProxyLimits,
  isOwn: (ip: Uint8Array) => boolean,
): Promise<void> {
  const { end } = config;
  const wire: TtConfig = {
    cipher: config.cipher,
    makeCipher: ciphers.factory,
    range: config.range,
    mostText: config.mostText,
  };
  if (end.role === "server") {
    await serveProxy({
      ...host,
      wire,
      keys: end.keys,
      host: end.host,
      listen: (at, o) => net.listen(at, o),
      rules: new Acl({ ...end, isOwn }),
      limits,
    });
  } else {
    await runProxyClient({
      ...host,
      wire,
      password: end.password,
      server: end.server,
      listener: listener!,
      direct: new BypassRules(end.direct),
      checksServer: true,
      isEager: end.isEager,
      auth: end.auth === null ? null : passwordCheck(end.auth),
      limits,
    });
  }
}
