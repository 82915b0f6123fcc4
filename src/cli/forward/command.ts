import type { NamedKey } from "../../base/named_key.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import type { RunContext } from "../command/context.ts";
import { neededLater } from "../background/needed_later.ts";
import { mayWritePidFile, writePidFile } from "../platform/pid_file.ts";
import { changingKeyFile, followKeys } from "../plane/follow_keys.ts";
import { followConfig } from "../plane/follow_config.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, revokePermissions, socketNeeds } from "../platform/permissions.ts";
import { resolveKey } from "../secrets/key_source.ts";
import { SecretStore, STORE_NEEDS } from "../secrets/secret_store.ts";
import { findUser } from "../../../ffi/linux/user.ts";
import { tunnelKeys } from "../secrets/tunnel_keys.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { metricsPlace } from "../status/metrics_place.ts";
import { statusPlace } from "../status/place.ts";
import { neededByTransports } from "../transport/needed_later.ts";
import { hopKeyFor } from "../transport/hop_key.ts";
import { resolveListen } from "../transport/resolve_listen.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { tellOfLinks } from "../share/tell_of_links.ts";
import type { TicketPrinter } from "../peer/end_flags.ts";
import type { TunFlags } from "../tun/options.ts";
import type { ForwardConfig, ForwardFacts, ForwardStart } from "./plane_config.ts";
import { clientForwards, streamRules } from "./stream_rules.ts";

/** Exit code of `-W` after a failure, as ssh's: a code of the target's own cannot be mistaken for it. */
const STDIO_FAILURE = 255;

/**
 * The control plane of an end without a device: starts the data plane in a Worker, gives up
 * permissions, and resolves names for it.
 * @throws {TtunError} any other failure that ended it
 */
export async function runForward(
  role: "server" | "client",
  options: TunFlags & TicketPrinter,
  context: RunContext,
): Promise<number> {
  const io = chooseIo(options.io);
  requirePermissions(socketNeeds(io, "listen and connect"), role);
  const { pid } = options;
  if (pid !== undefined) mayWritePidFile(pid);
  const found = await resolveKey(options, context);
  const keys = tunnelKeys(options, found, context.log);
  if (keys !== undefined) refuseSettings(keys);
  using store = keys === undefined ? null : new SecretStore(context.log);
  const key = keys === undefined ? found.key : new Uint8Array();
  const secret = keys === undefined ? linkSecret(key) : Promise.resolve(new Uint8Array());
  secret.catch(() => {}); // awaited when the data plane is ready, if ever
  const config = await configOf(
    options,
    { key, keys: keys && store!.order(keys) },
    io,
    context.signal,
  );
  // Without a loop that blocks, the data plane needs no wake-up.
  using libc = io === "ffi" ? openControlLibc() : null;
  using atEnd = new DisposableStack();
  await using plane = new PlaneHandle<ForwardFacts, ForwardStart>(config, { libc, context });
  const replaceRules = role === "server" ? plane.replaceRules : null;
  using _follows = followConfig(context, replaceRules);
  const keyFile = changingKeyFile(keys, options);
  const { user } = options;
  store?.makeFor(user === undefined || libc === null ? null : findUser(libc, user));
  using _keys = followKeys(
    keyFile,
    context,
    (now) => plane.replaceKeys(store?.order(now) ?? now),
    refuseSettings,
  );
  try {
    await plane.run({
      prepare: async () => {
        if (pid !== undefined) atEnd.use(writePidFile(pid, context.log));
        // The data plane resolves names by this thread.
        revokePermissions([
          "net",
          ...neededByTransports("server" in options ? [options.server] : options.listen),
          ...neededLater(options, context, keyFile),
          ...(store === null ? [] : STORE_NEEDS),
        ]);
        const s = await secret;
        if ("listen" in options) {
          tellOfLinks(options.listen, context.log);
          await context.background?.ready();
        }
        return { s };
      },
      ...(store !== null && {
        secretOf: (key: Uint8Array) => store.secretOf(key),
        keyUsed: store.keyUsed,
      }),
      ...(options.print !== undefined && { print: options.print }),
      up: async () => await context.background?.ready(),
    });
  } catch (thrown) {
    if (!("stdio" in config.end) || context.signal.aborted) throw thrown;
    const error = toTtunError(thrown);
    context.log.error(error.message, { kind: error.kind });
    return STDIO_FAILURE;
  }
  context.signal.throwIfAborted();
  return 0;
}

/** @throws {TtunError} usage */
function refuseSettings(keys: readonly NamedKey[]): void {
  const one = keys.find(({ addresses, networks }) => (addresses ?? networks) !== undefined);
  if (one === undefined) return;
  throw new TtunError(
    "usage",
    `Cannot use address= and network= of ${one.name} in the key file: this server has no device`,
  );
}

async function configOf(
  options: TunFlags,
  { key, keys }: { readonly key: Uint8Array; readonly keys: readonly NamedKey[] | undefined },
  io: ForwardConfig["io"],
  signal: AbortSignal,
): Promise<ForwardConfig> {
  const ends = "server" in options ? [options.server] : options.listen;
  return {
    kind: "forward",
    ...hopKeyFor(ends, key),
    end: "server" in options
      ? {
        role: "client",
        server: options.server,
        retries: options.once ? 0 : options.retries ?? Infinity,
        forwards: clientForwards(options),
        ...(options.stdio !== undefined && { stdio: options.stdio }),
      }
      : {
        role: "server",
        keys,
        listen: await Promise.all(options.listen.map((at) => resolveListen(at, signal))),
        streams: streamRules(options),
      },
    psk: pskKey(key),
    wire: "v2", // version 1 carries no streams
    rekeySeconds: options.rekey ?? LONGEST_REKEY,
    cipher: options.cipher,
    aead: options.aead,
    io,
    mptcp: options.mptcp,
    congestion: options.congestion,
    segmentSize: options.segmentSize,
    user: options.user,
    status: statusPlace("server" in options ? "client" : "server", options),
    metrics: metricsPlace("server" in options ? "client" : "server", options),
  };
}
