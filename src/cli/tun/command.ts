import type { NamedKey } from "../../base/named_key.ts";
import { runForward } from "../forward/command.ts";
import { forwardsAlone } from "../forward/conflicts.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { findUser } from "../../../ffi/linux/user.ts";
import { runEnd } from "../background/in_background.ts";
import type { RunContext } from "../command/context.ts";
import { neededLater } from "../background/needed_later.ts";
import { SecretStore, STORE_NEEDS } from "../secrets/secret_store.ts";
import { tunnelKeys } from "../secrets/tunnel_keys.ts";
import { LeaseFile } from "./lease_file.ts";
import { keySecrets, resolveKey } from "../secrets/key_source.ts";
import type { TunFacts, TunStart } from "./plane_config.ts";
import { requirePermissions, revokePermissions } from "../platform/permissions.ts";
import { load } from "../plane/load.ts";
import { isRoot } from "../platform/owners.ts";
import { mayWritePidFile, writePidFile } from "../platform/pid_file.ts";
import { changingKeyFile, followKeys } from "../plane/follow_keys.ts";
import { followConfig } from "../plane/follow_config.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { makeStateFor, stateDirectory } from "../platform/state_file.ts";
import { checkKeySettings } from "./key_settings.ts";
import { refuseForTicket, takeListeners, takeServer } from "../peer/take_ends.ts";
import type { TicketPrinter } from "../peer/end_flags.ts";
import { sharedLinkSecrets } from "../share/take_link.ts";
import { neededByTransports } from "../transport/needed_later.ts";
import { tellOfLinks } from "../share/tell_of_links.ts";
import {
  manyClients,
  refuseForStdio,
  refuseForSystem,
  refuseForUdp,
  refuseForV1,
} from "./conflicts.ts";
import type { Role } from "./default_addresses.ts";
import { shellHooks } from "./device_hooks.ts";
import { planeConfig } from "./make_config.ts";
import { needs, permissionSet, stillNeeded } from "./permissions.ts";
import { withAuthority } from "../transport/authority.ts";
import { NO_SECRET, rememberingServer } from "./remembering_server.ts";
import type { TunFlags } from "./options.ts";

/** Milliseconds for an end that has programs take back what was changed on the machine. */
const GATEWAY_STOP_MS = 10_000;

/** Milliseconds for a client to reach its server before a service manager goes on without it. */
const READY_MS = 20_000;

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
  if ("listen" in options) {
    refuseForStdio(options);
    refuseForTicket(options);
  }
  const run = async (context: RunContext) => {
    const whole = "server" in options
      ? await takeServer(withAuthority(options), context)
      : await takeListeners(options, context);
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

async function runDevice(
  role: Role,
  options: TunFlags & TicketPrinter,
  context: RunContext,
): Promise<number> {
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
  refuseForUdp(options, keys);
  const { pid } = options;
  if (pid !== undefined) mayWritePidFile(pid);
  const many = "server" in options ? undefined : manyClients(options);
  const keyed = many === undefined ? undefined : { ...many, own: options.address ?? [] };
  if (keys !== undefined) checkKeySettings(keys, keyed);
  const directory = stateDirectory();
  const leases = many === undefined ? null : new LeaseFile(directory, many.pool, context.log);
  const config = await planeConfig(
    options,
    key,
    keys === undefined ? undefined : store!.order(keys),
    many === undefined ? undefined : { ...many, leases: leases?.read() ?? [] },
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
  const checkKeys = (now: readonly NamedKey[]) => checkKeySettings(now, keyed);
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
        ...neededByTransports("server" in options ? [options.server] : options.listen),
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
    ...(options.print !== undefined && { print: options.print }),
    up: async () => await context.background?.ready(),
    reportV2: memory.remember,
    serverAddress: memory.keepAddress,
    addresses: (addresses) => hooks.addresses(addresses),
    ...(leases !== null && { leases: (list) => leases.write(list) }),
  });
  context.signal.throwIfAborted();
  return 0;
}
