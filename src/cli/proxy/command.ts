import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { abortable } from "../../base/scope.ts";
import type { Secrets } from "../background/handover.ts";
import { runEnd } from "../background/in_background.ts";
import { neededLater } from "../background/needed_later.ts";
import type { RunContext } from "../command/context.ts";
import { readDirectFile } from "./bypass_file.ts";
import { constantTimeEqual } from "../../base/bytes.ts";
import { keySecrets, resolveKey } from "../secrets/key_source.ts";
import { warnOfWeakPassword } from "../secrets/key_strength.ts";
import type { ProxyConfig, ProxyFacts } from "./plane_config.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, revokePermissions, socketNeeds } from "../platform/permissions.ts";
import { mayWritePidFile, writePidFile } from "../platform/pid_file.ts";
import { changingKeyFile, followKeys } from "../plane/follow_keys.ts";
import { followConfig } from "../plane/follow_config.ts";
import { load } from "../plane/load.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { authSecret, resolveAuth } from "./auth.ts";
import { clientKey, looksNamed, serverKeys } from "../secrets/named_keys.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { SecretStore, STORE_NEEDS } from "../secrets/secret_store.ts";
import { findUser } from "../../../ffi/linux/user.ts";
import { warnOfSharedKey } from "../secrets/shared_key.ts";
import type { ProxyClientFlags, ProxyFlags, ProxyServerFlags } from "./options.ts";
import { metricsPlace } from "../status/metrics_place.ts";
import { statusPlace } from "../status/place.ts";
import { isLoopback } from "../../base/loopback.ts";
import { settingsOf } from "./settings.ts";
import { resolveListenHost } from "../platform/resolve.ts";

/**
 * The control plane: starts the data plane in a Worker, gives up permissions, and resolves names
 * for it.
 * @throws {TtunError} any other failure that ended it
 */
export async function runProxy(
  role: "server" | "client",
  options: ProxyFlags,
  context: RunContext,
): Promise<number> {
  return await runEnd(options, context, {
    preset: `proxy-${role}`,
    secrets: () => secretsOf(options, context),
    run: (context) => runHere(role, options, context),
  });
}

async function secretsOf(options: ProxyFlags, context: RunContext): Promise<Secrets> {
  const key = keySecrets(await resolveKey(options, context));
  const auth = "auth" in options ? await resolveAuth(options, context) : null;
  return auth === null ? key : { ...key, ...authSecret(auth) };
}

async function runHere(
  role: "server" | "client",
  options: ProxyFlags,
  context: RunContext,
): Promise<number> {
  const io = chooseIo(options.io);
  requirePermissions(socketNeeds(io, "listen and connect"), `proxy-${role}`);
  const { pid } = options;
  if (pid !== undefined) mayWritePidFile(pid);
  const given: ProxyConfig = {
    kind: "proxy",
    end: "server" in options
      ? await clientEnd(options, context)
      : await serverEnd(options, context),
    ...settingsOf(options),
    io,
    status: statusPlace(`proxy ${role}`, options),
    metrics: metricsPlace(`proxy ${role}`, options),
  };
  const named = given.end.role === "server" && given.end.keys[0]!.name !== "";
  using store = named ? new SecretStore(context.log) : null;
  const config = store === null ? given : likeliestFirst(given, store);
  const first = store === null ? firstSecret(config) : null;
  // Without a loop that blocks, the data plane needs no wake-up.
  using libc = io === "ffi" ? openControlLibc() : null;
  using atEnd = new DisposableStack();
  await using plane = new PlaneHandle<ProxyFacts, null>(config, { libc, context });
  const replaceRules = role === "server" ? plane.replaceRules : null;
  using _follows = followConfig(context, replaceRules);
  const keys = named && config.end.role === "server" ? config.end.keys : undefined;
  const keyFile = changingKeyFile(keys, options);
  const { user } = options;
  store?.makeFor(user === undefined || libc === null ? null : findUser(libc, user));
  using _keys = followKeys(
    keyFile,
    context,
    (now) => plane.replaceKeys(store?.order(now) ?? now),
  );
  await plane.run({
    prepare: async (facts) => {
      if (pid !== undefined) atEnd.use(writePidFile(pid, context.log));
      const setting = await systemProxy(options, config, facts, context);
      if (setting !== null) atEnd.use(setting);
      revokePermissions([
        "net",
        ...neededLater(options, context, keyFile),
        ...(setting === null ? [] : ["read", "write", "run", "sys", "env"] as const),
        ...(store === null ? [] : STORE_NEEDS),
      ]);
      await context.background?.ready();
      return null;
    },
    secretOf: (key) => {
      if (store !== null) return store.secretOf(key);
      return first !== null && constantTimeEqual(key, first.key) ? first.secret : null;
    },
    ...(store !== null && { keyUsed: store.keyUsed }),
  });
  context.signal.throwIfAborted();
  return 0;
}

function likeliestFirst(config: ProxyConfig, store: SecretStore): ProxyConfig {
  const { end } = config;
  return end.role === "client"
    ? config
    : { ...config, end: { ...end, keys: store.order(end.keys) } };
}

/** Has the desktop use the proxy, if the options say so; null = they do not. */
async function systemProxy(
  options: ProxyFlags,
  { end }: ProxyConfig,
  { listen }: ProxyFacts,
  { log }: RunContext,
): Promise<Disposable | null> {
  if (!("systemProxy" in options) || !options.systemProxy || end.role === "server") return null;
  const { useSystemProxy } = await load(() => import("./system_proxy.ts"));
  const port = Number(listen.slice(listen.lastIndexOf(":") + 1));
  return useSystemProxy({ host: end.listen.host, port }, log);
}

/** Works out the secret of the first key while the data plane starts. */
function firstSecret({ end, wire: { mode } }: ProxyConfig) {
  if (mode === "v1") return null;
  const key = end.role === "server" ? end.keys[0]!.password : end.password;
  const secret = linkSecret(key);
  secret.catch(() => {}); // told when it is asked for
  return { key, secret };
}

async function serverEnd(
  options: ProxyServerFlags,
  context: RunContext,
): Promise<ProxyConfig["end"]> {
  const found = await resolveKey(options, context);
  const keys = serverKeys(found);
  if (looksNamed(found)) {
    context.log.warn(
      "The key file's only line looks like NAME:KEY, and is one key as it is; for one named key " +
        "write a line that begins with # above it",
    );
  }
  for (const { name, password } of keys) warnOfWeakPassword(password, name, context.log);
  await abortable(
    warnOfSharedKey(found, keys.map(({ password }) => password), context.log),
    context.signal,
  );
  return {
    role: "server",
    host: await resolveListenHost(options.listen, context.signal),
    keys,
    allow: (options.allow ?? []).flat(),
    deny: (options.deny ?? []).flat(),
  };
}

async function clientEnd(
  options: ProxyClientFlags,
  context: RunContext,
): Promise<ProxyConfig["end"]> {
  const found = await resolveKey(options, context);
  const password = clientKey(found);
  warnOfWeakPassword(password, "", context.log);
  await abortable(warnOfSharedKey(found, [password], context.log), context.signal);
  const auth = await resolveAuth(options, context);
  const fromFile = options.directFile === undefined
    ? []
    : await abortable(readDirectFile(options.directFile), context.signal);
  const listen = {
    host: await resolveListenHost(options.listen.host, context.signal),
    port: options.listen.port,
  };
  if (auth === null && !isLoopback(listen.host)) {
    context.log.warn(
      "Everybody who reaches this proxy's address can use it: give --auth-file, or listen on " +
        "127.0.0.1",
    );
  }
  return {
    role: "client",
    server: options.server,
    password,
    listen,
    direct: [...options.direct ?? [], ...fromFile],
    isEager: options.eager === true,
    auth,
  };
}
