import type { NamedKey } from "../../base/named_key.ts";
import { type Cidr, formatCidr, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { runForward } from "../forward/command.ts";
import { forwardsAlone } from "../forward/conflicts.ts";
import { clientForwards, hasForwards, streamRules } from "../forward/stream_rules.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { findUser } from "../../../ffi/linux/user.ts";
import { runEnd } from "../background/in_background.ts";
import type { RunContext } from "../command/context.ts";
import { neededLater } from "../background/needed_later.ts";
import { hookNeedsFile, SHELL } from "./hooks.ts";
import { SecretStore, STORE_NEEDS } from "../secrets/secret_store.ts";
import { tunnelKeys } from "../secrets/tunnel_keys.ts";
import { type KeptIdentity, keptIdentity } from "./client_identity.ts";
import { isKnown, remember } from "./known_servers.ts";
import { LeaseFile } from "./lease_file.ts";
import { linkSecret, serverToken } from "../secrets/link_secret.ts";
import { keySecrets, resolveKey } from "../secrets/key_source.ts";
import type { ManyClientsConfig, TunConfig, TunFacts, TunStart } from "./plane_config.ts";
import {
  isGranted,
  type Need,
  requirePermissions,
  type Revocable,
  revokePermissions,
} from "../platform/permissions.ts";
import { ownFolder } from "../status/folders.ts";
import { freshPath, keptPath, RESOLV_CONF } from "../../io/netcfg/resolv_conf_file.ts";
import { DARWIN_PROGRAMS } from "../../io/netcfg/darwin.ts";
import { WINDOWS_PROGRAMS } from "../../io/netcfg/windows.ts";
import { load } from "../plane/load.ts";
import { mayWritePidFile, writePidFile } from "../platform/pid_file.ts";
import { changingKeyFile, followKeys } from "../plane/follow_keys.ts";
import { followConfig } from "../plane/follow_config.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import {
  makeStateFor,
  mayKeepState,
  NO_STATE_PERMISSION,
  stateDirectory,
} from "../platform/state_file.ts";
import { checkKeySettings, keyNetworks } from "./key_settings.ts";
import { firstHost } from "../../core/ip/address_pool.ts";
import { toClientName } from "../../core/link/v2/client_name.ts";
import { clientId } from "../../core/link/v2/identity.ts";
import { sharedLinkSecrets, takeLink } from "../share/take_link.ts";
import { tellOfLinks } from "../share/tell_of_links.ts";
import { metricsPlace } from "../status/metrics_place.ts";
import {
  dnsOf,
  gatewayOf,
  manyClients,
  pushedSettings,
  refuseForStdio,
  refuseForSystem,
  refuseForV1,
} from "./conflicts.ts";
import { statusPlace } from "../status/place.ts";
import { DEFAULT_ADDRESSES, type Role } from "./default_addresses.ts";
import { shellHooks } from "./device_hooks.ts";
import { formatEndpoint } from "../transport/endpoint.ts";
import { resolveListen } from "../transport/resolve_listen.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import type { TunClientFlags, TunFlags } from "./options.ts";

/** Milliseconds for an end that has programs take back what was changed on the machine. */
const GATEWAY_STOP_MS = 10_000;

/** Milliseconds for a client to reach its server before a service manager goes on without it. */
const READY_MS = 20_000;

type Hooks = { readonly up: string | undefined; readonly down: string | undefined };

/** Programs for systems whose devices are not configured by system calls. */
const ADDRESS_PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  darwin: DARWIN_PROGRAMS,
  windows: WINDOWS_PROGRAMS,
};

/**
 * The control plane: starts the data plane in a Worker, gives up permissions, and answers its
 * requests; with -f in a process of its own.
 * @throws {TtunError} any other failure that ended it
 */
export async function runTun(
  role: Role,
  options: TunFlags,
  context: RunContext,
): Promise<number> {
  if ("listen" in options) refuseForStdio(options);
  const run = async (context: RunContext) => {
    const whole = "server" in options ? await takeLink(options, context) : options;
    const runRole = forwardsAlone(whole) ? runForward : runDevice;
    return await runRole(role, whole, context);
  };
  const secrets = async () => {
    const link = "server" in options ? await sharedLinkSecrets(options, context) : null;
    return link ?? keySecrets(await resolveKey(options, context));
  };
  return await runEnd(options, context, {
    preset: role,
    secrets,
    run,
    ...(role === "client" && { readyMs: READY_MS }),
  });
}

async function runDevice(role: Role, options: TunFlags, context: RunContext): Promise<number> {
  requirePermissions(needs(role, options), permissionSet(role));
  if (Deno.build.os === "linux" && !isRoot()) {
    const { keepUsersEnvironmentOut } = await load(() =>
      import("../platform/file_capabilities.ts")
    );
    keepUsersEnvironmentOut();
  }
  const found = await resolveKey(options, context);
  const keys = tunnelKeys(options, found, context.log);
  const key = keys === undefined ? found.key : new Uint8Array();
  using store = keys === undefined ? null : new SecretStore(context.log);
  const memory = keys === undefined ? rememberingServer(options, key, context) : NO_SECRET;
  memory.start.catch(() => {}); // awaited when the data plane is ready, if ever
  refuseForV1(options);
  refuseForSystem(options, Deno.build.os);
  const { pid } = options;
  if (pid !== undefined) mayWritePidFile(pid);
  const many = "server" in options ? undefined : manyClients(options);
  const keyed = many === undefined ? undefined : { ...many, own: options.address ?? [] };
  if (keys !== undefined) checkKeySettings(keys, keyed);
  const directory = stateDirectory();
  const leases = many === undefined ? null : new LeaseFile(directory, many.pool, context.log);
  const config = await planeConfig(
    options,
    pskKey(key),
    keys === undefined ? undefined : store!.order(keys),
    many === undefined ? undefined : {
      ...many,
      networks: [...many.networks, ...keyNetworks(keys)],
      leases: leases?.read() ?? [],
    },
    context.signal,
  );
  // Other systems' data planes need no wake-up.
  using libc = Deno.build.os === "linux" ? openControlLibc() : null;
  const { up, down, wire, user } = options;
  if (leases !== null && user !== undefined && libc !== null && directory !== null) {
    makeStateFor(directory, findUser(libc, user));
  }
  // Version 1 assigns no addresses.
  const hooks = shellHooks(
    {
      up,
      down,
      role,
      waits: role === "client" && wire !== "v1",
      once: user !== undefined,
      context,
    },
    libc,
  );
  using atEnd = new DisposableStack();
  await using plane = new PlaneHandle<TunFacts, TunStart>(config, {
    libc,
    context,
    ...(config.gateway !== null && { stopMs: GATEWAY_STOP_MS }),
  });
  const replaceRules = role === "server" ? plane.replaceRules : null;
  using _follows = followConfig(context, replaceRules);
  const keyFile = changingKeyFile(keys, options);
  store?.makeFor(user === undefined || libc === null ? null : findUser(libc, user));
  const checkKeys = (now: readonly NamedKey[]) => {
    checkKeySettings(now, keyed);
    if (networksText(now) === networksText(keys)) return;
    context.log.warn(
      "networks behind clients have changed: network= counts at the next start only",
    );
  };
  using _keys = followKeys(
    keyFile,
    context,
    (now) => plane.replaceKeys(store?.order(now) ?? now),
    checkKeys,
  );
  await plane.run({
    prepare: async (facts) => {
      if (config.gateway?.killSwitch === true) context.onGuarded?.();
      if (pid !== undefined) atEnd.use(writePidFile(pid, context.log));
      revokePermissions([
        ...stillNeeded(config, { up, down }, facts),
        ...neededLater(options, context, keyFile),
        ...(store === null ? [] : STORE_NEEDS),
      ]);
      await hooks.ready(facts);
      const start = await memory.start;
      if ("listen" in options) {
        tellOfLinks(options.listen, context.log);
        await context.background?.ready();
      }
      return start;
    },
    afterwards: () => hooks.ended(),
    ...(store !== null && {
      secretOf: (key: Uint8Array) => store.secretOf(key),
      keyUsed: store.keyUsed,
    }),
    up: async () => await context.background?.ready(),
    reportV2: memory.remember,
    addresses: (addresses) => hooks.addresses(addresses),
    ...(leases !== null && { leases: (list) => leases.write(list) }),
  });
  context.signal.throwIfAborted();
  return 0;
}

/** A Worker shares its parent's permissions; what the data plane has opened stays usable. */
function stillNeeded(config: TunConfig, hooks: Hooks, facts: TunFacts): Revocable[] {
  const keep: Revocable[] = [];
  const isLinux = Deno.build.os === "linux";
  if (!isLinux || config.io === "deno" || config.end.role === "client") keep.push("net");
  const mayLearn = config.end.role === "client" && config.wire === "auto";
  const keepsLeases = config.end.role === "server" && config.end.many !== undefined;
  if (mayLearn || keepsLeases) keep.push("read", "write", "sys"); // state_file.ts
  // The journal of changes, their undoing, and the programs that do it.
  if (config.gateway !== null || config.nat !== null || config.dns !== null) {
    keep.push("read", "write", "run", "sys");
  } else if (config.acceptRoutes && config.device !== undefined) {
    keep.push("read", "write", "sys"); // the journal of routes by a device that stays
  }
  // Other systems poll this machine's addresses to notice a new path to the server.
  if (!isLinux && config.end.role === "client") keep.push("sys");
  // Hooks; other systems also use programs to assign and remove addresses.
  const hasHooks = hooks.up !== undefined || hooks.down !== undefined;
  if (!isLinux || hasHooks) keep.push("run");
  if (hasHooks && hookNeedsFile(facts)) keep.push("read", "write", "env", "sys"); // hook_lists.ts
  return keep;
}

function isRoot(): boolean {
  return isGranted({ name: "sys", kind: "uid" }) && Deno.uid() === 0;
}

/** Deno complains of programs in a set that do not exist. */
function permissionSet(role: Role): string {
  return Deno.build.os === "windows" ? `${role}-windows` : role;
}

function needs(role: Role, options: TunFlags): Need[] {
  const all: Need[] = [
    { permission: { name: "ffi" }, purpose: "open the TUN device" },
    { permission: { name: "net" }, purpose: role === "server" ? "listen" : "connect" },
    { permission: { name: "read" }, purpose: "start the data plane" },
  ];
  for (const command of ADDRESS_PROGRAMS[Deno.build.os] ?? []) {
    all.push({ permission: { name: "run", command }, purpose: "give the device its addresses" });
  }
  const changes = "server" in options
    ? options.defaultRoute || options.killSwitch || dnsOf(options) !== null
    : options.nat !== undefined;
  if (changes) {
    const purpose = "write down what is changed on this machine";
    const path = ownFolder();
    if (path !== null) all.push({ permission: { name: "write", path }, purpose });
  }
  if ("server" in options && dnsOf(options) !== null) {
    for (const path of [RESOLV_CONF, keptPath(RESOLV_CONF), freshPath(RESOLV_CONF)]) {
      all.push({ permission: { name: "write", path }, purpose: "set the name servers" });
    }
  }
  const shell: Need["permission"] = { name: "run", command: SHELL };
  if (options.up !== undefined || options.down !== undefined) {
    all.push({ permission: shell, purpose: "run the --up and --down commands" });
  }
  if ("server" in options && options.server.scheme === "exec") {
    all.push({ permission: shell, purpose: "run the command of --server" });
  }
  return all;
}

async function planeConfig(
  options: TunFlags,
  psk: Uint8Array,
  keys: readonly NamedKey[] | undefined,
  many: ManyClientsConfig | undefined,
  signal: AbortSignal,
): Promise<TunConfig> {
  const isClient = "server" in options;
  const addresses = options.address ?? [];
  const asked = addresses.length > 0;
  const peers = options.peerAddress ?? [];
  const defaults = many?.pool.map(firstHost) ??
    DEFAULT_ADDRESSES[isClient ? "client" : "server"].map(parseCidr);
  for (const family of [4, 6]) {
    if (peers.filter((peer) => peer.family === family).length > 1) {
      throw new TtunError(
        "usage",
        `Cannot have two IPv${family} peers: give --peer-address once for each family`,
      );
    }
  }
  const dns = isClient ? dnsOf(options) : null;
  return {
    kind: "tun",
    end: isClient
      ? {
        role: "client",
        server: options.server,
        retries: options.once ? 0 : options.retries ?? Infinity,
        ...(hasForwards(options) && { forwards: clientForwards(options) }),
      }
      : {
        role: "server",
        keys,
        listen: await Promise.all(
          options.listen.map((one) => resolveListen(one, signal)),
        ),
        ...(many !== undefined && { many }),
        pushed: pushedSettings(options),
        streams: streamRules(options),
      },
    psk,
    // Only version 2 can assign addresses, and tell keys apart.
    wire: many === undefined && keys === undefined ? options.wire : "v2",
    rekeySeconds: options.rekey ?? LONGEST_REKEY,
    cipher: options.cipher,
    aead: options.aead,
    io: options.io,
    mptcp: options.mptcp,
    congestion: options.congestion,
    segmentSize: options.segmentSize,
    warmUp: !options.noWarmUp,
    device: options.device,
    wintun: options.wintun,
    mtu: options.mtu,
    addresses: asked ? addresses : defaults,
    addressesExplicit: asked,
    accepted: isClient ? options.acceptAddresses ?? [] : [],
    peers,
    routes: withoutDoubles([
      ...options.route ?? [],
      ...many?.networks.map(({ network }) => network) ?? [],
    ]),
    gateway: isClient ? gatewayOf(options, Deno.build.os) : null,
    nat: isClient ? null : options.nat ?? null,
    acceptRoutes: isClient && options.acceptRoutes,
    dns,
    mssClamp: options.mssClamp,
    offload: options.offload !== "off",
    user: options.user,
    status: statusPlace(isClient ? "client" : "server", options),
    metrics: metricsPlace(isClient ? "client" : "server", options),
    userAfterUp: isClient && options.user !== undefined &&
      (dns !== null || (options.up !== undefined && options.wire !== "v1")),
  };
}

function networksText(keys: readonly NamedKey[] | undefined): string {
  const all = keyNetworks(keys).map(({ name, network }) => `${name} ${formatCidr(network)}`);
  return all.sort().join(",");
}

/** The secrets of several keys are worked out while the server runs. */
const NO_SECRET: ReturnType<typeof rememberingServer> = {
  start: Promise.resolve({ s: new Uint8Array(), seenV2: false }),
  remember: () => Promise.resolve(),
};

/** Derives the secret of version 2 in the background. `remember`: the server has spoken it. */
function rememberingServer(
  options: TunFlags,
  key: Uint8Array,
  { log }: RunContext,
): { start: Promise<TunStart>; remember: () => Promise<void> } {
  const secret = options.wire === "v1" ? Promise.resolve(new Uint8Array()) : linkSecret(key);
  if (!("server" in options) || options.wire === "v1") {
    return { start: secret.then((s) => ({ s, seenV2: false })), remember: () => Promise.resolve() };
  }
  const directory = stateDirectory();
  const who = whoIAm(options, keptIdentity(directory));
  const server = formatEndpoint(options.server);
  const learns = directory !== null && options.wire === "auto";
  const may = (name: "read") => isGranted({ name, path: directory! });
  return {
    start: secret.then((s) => ({
      s,
      seenV2: learns && may("read") && isKnown(directory, serverToken(s, server)),
      ...who(s),
    })),
    remember: async () => {
      if (!learns) return;
      const token = serverToken(await secret, server);
      const problem = mayKeepState(directory) ? remember(directory, token) : NO_STATE_PERMISSION;
      if (problem === null) return;
      log.info("cannot remember that this server speaks version 2", { why: problem });
    },
  };
}

/** Reads the host name at once. */
function whoIAm(options: TunClientFlags, { secret, why }: KeptIdentity) {
  const mayAsk = isGranted({ name: "sys", kind: "hostname" });
  const name = options.name ?? (mayAsk ? toClientName(Deno.hostname()) : "");
  return (s: Uint8Array): Pick<TunStart, "identity" | "whyForgotten"> => ({
    identity: {
      id: secret === null ? null : clientId(secret, s, options.name ?? ""),
      name,
      wishes: options.address ?? [],
    },
    whyForgotten: why,
  });
}

function withoutDoubles(networks: readonly Cidr[]): Cidr[] {
  return [...new Map(networks.map((network) => [formatCidr(network), network])).values()];
}
