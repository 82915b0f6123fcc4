import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { TtunError } from "../../base/errors.ts";
import { writeNew } from "../../io/files/new_file.ts";
import { isThere } from "../../io/files/present.ts";
import { runEnd } from "../background/in_background.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { followConfig } from "../plane/follow_config.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { type FileLock, lockFile } from "../platform/file_lock.ts";
import { isGranted, requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { mayWritePidFile, writePidFile } from "../platform/pid_file.ts";
import { statusPlace } from "../status/place.ts";
import { apiSocket } from "./api_socket.ts";
import { nodeFolder, type NodeState, readNode } from "./node_folder.ts";
import { acmeSecrets, externalAccount } from "./acme_account.ts";
import { etcdAccess, readPem, storeSecrets } from "./open_etcd.ts";
import type { MeshNodeFlags } from "./options.ts";
import { passphraseSecrets, takePassphrase } from "./passphrase.ts";
import type {
  AcmeConfig,
  DnsConfig,
  GatewayConfig,
  MeshConfig,
  MeshFacts,
} from "./plane_config.ts";

/** Milliseconds to end, also for one that is just starting: it closes its files, however slow the disk is. */
const STOP_MS = 30_000;

/** Runs the node of a folder until it is stopped. @throws {TtunError} */
export async function runMeshNode(options: MeshNodeFlags, context: RunContext): Promise<number> {
  return await runEnd(options, context, {
    preset: "server",
    secrets: async () => ({
      ...await storeSecrets(options, context),
      ...await acmeSecrets(options, context),
      ...passphraseSecrets(
        await passphraseFor(options, readNode(nodeFolder(options.data)), context),
      ),
    }),
    run: (context) => runHere(options, context),
  });
}

async function runHere(options: MeshNodeFlags, context: RunContext): Promise<number> {
  const folder = nodeFolder(options.data);
  const { pid } = options;
  if (pid !== undefined) mayWritePidFile(pid);
  requirePermissions([
    ...socketNeeds("deno", "listen and connect"),
    { permission: { name: "write", path: folder }, purpose: `keep records in ${folder}` },
  ]);
  const state = readNode(folder);
  apiSocket(folder); // too long a path is told now
  using _lock = lockFolder(folder);
  const config: MeshConfig = {
    kind: "mesh",
    ...{ user: undefined, aead: "auto", metrics: null, io: "deno" },
    status: statusPlace("mesh node", options),
    folder,
    state,
    roles: options.roles ?? null,
    invites: options.invites,
    listen: options.listen,
    joinListen: options.joinListen,
    transport: options.transport,
    etcd: await etcdAccess(options, context),
    passphrase: await passphraseFor(options, state, context),
    backupEveryMs: options.backupEvery * 60_000,
    api: options.api ?? null,
    apex: options.apex ?? null,
    isOpen: options.open,
    gateway: gatewayConfig(options),
    acme: await acmeConfig(options, context),
    dns: dnsConfig(options),
  };
  using atEnd = new DisposableStack();
  using _follows = followConfig(context, null);
  const hasLibc = Deno.build.os === "linux" && isGranted({ name: "ffi" });
  using libc = hasLibc ? openControlLibc() : null; // gives back memory that the start alone needs
  await using plane = new PlaneHandle<MeshFacts, null>(config, {
    ...{ libc, context, isHere: true },
    stopMs: STOP_MS,
  });
  let printing = Promise.resolve();
  await plane.run({
    print: (line) => {
      printing = printing.then(() => print(`${line}\n`, context.signal));
    },
    prepare: ({ node, api, join, links, gateway, dns }) => {
      if (pid !== undefined) atEnd.use(writePidFile(pid, context.log));
      context.log.info("Mesh node", {
        node: node.slice(0, 12),
        host: state.facts.host,
        links,
        api: api.join(" "),
        ...(join !== null && { join }),
        ...(gateway !== null && { gateway }),
        ...(dns.length > 0 && { dns: dns.join(" ") }),
      });
      return Promise.resolve(null);
    },
    up: async () => await context.background?.ready(),
  });
  await printing;
  context.signal.throwIfAborted();
  return 0;
}

/** @throws {TtunError} usage, if something is missing */
function gatewayConfig(
  options: MeshNodeFlags,
): GatewayConfig | null {
  const { gateway, apex, gatewayCert: cert, gatewayKey: key, gatewayAt, accessLog } = options;
  if ((cert === undefined) !== (key === undefined)) {
    throw new TtunError("usage", "Give both --gateway-cert and --gateway-key, or none of them");
  }
  if (gateway === undefined) {
    if (cert === undefined) return null;
    throw new TtunError("usage", "Cannot use --gateway-cert without --gateway");
  }
  if (apex === undefined) {
    throw new TtunError("usage", "Cannot use --gateway without --apex, the domain of its services");
  }
  const files = cert === undefined || key === undefined ? null : { cert, key };
  const { redirect = null, fallback = null, proxyProtocolFrom = [], forwardedFrom = [] } = options;
  const { connectPlain: connectsPlain } = options;
  if (connectsPlain && redirect === null) {
    throw new TtunError(
      "usage",
      "Cannot use --connect-plain without --redirect, where it is heeded",
    );
  }
  const at = { listen: gateway, redirect, fallback, advertise: gatewayAt ?? null };
  const how = { http3: !options.noHttp3, isOpen: options.open, accessLog, connectsPlain };
  return { ...at, ...how, apex, files, proxyProtocolFrom, forwardedFrom };
}

/** @throws {TtunError} usage, privilege */
async function acmeConfig(
  options: MeshNodeFlags,
  context: RunContext,
): Promise<AcmeConfig | null> {
  const { acme: email, acmeDirectory: directory, acmeCa, acmeZone, apex, gateway, dns } = options;
  if (email === undefined) return null;
  if (apex === undefined || gateway === undefined) {
    throw new TtunError("usage", "Cannot use --acme without --gateway and --apex");
  }
  if (dns === undefined) {
    context.log.warn("Certificates by --acme need a node with --dns: this one has none");
  }
  const ca = acmeCa === undefined ? null : readPem(acmeCa, "acme-ca");
  const account = await externalAccount(options, context);
  return { email, directory, ca, account, apex, zone: acmeZone ?? apex };
}

/** @throws {TtunError} usage, without the domain */
function dnsConfig(
  { dns = [], dnsAddress = [], apex, gateway, acmeZone }: MeshNodeFlags,
): DnsConfig | null {
  if (dns.length === 0 && dnsAddress.length === 0) return null;
  if (apex === undefined) {
    throw new TtunError("usage", "Cannot use --dns without --apex, the domain that it answers for");
  }
  const isGateway = gateway !== undefined;
  const isApex = acmeZone === undefined;
  return { listen: dns, zone: acmeZone ?? apex, isApex, addresses: dnsAddress, isGateway };
}

/** Null where a node has the core: the key is there, in a file. @throws {TtunError} usage, privilege */
async function passphraseFor(
  options: MeshNodeFlags,
  { authoritySeed }: NodeState,
  context: RunContext,
): Promise<string | null> {
  if (options.store === undefined) return null;
  const needed =
    "Cannot leave the authority's key in ca.key while the core is in etcd, which keeps it sealed";
  return await takePassphrase(options, authoritySeed === null ? null : needed, context);
}

/** Two nodes in one folder would be one in the eyes of others. @throws {TtunError} in_use */
function lockFolder(folder: string): FileLock | null {
  const path = `${folder}/lock`;
  if (!isThere(path)) writeNew(path, new Uint8Array(), { mode: 0o600 });
  const lock = lockFile(path);
  if (lock !== "taken") return lock;
  throw new TtunError("in_use", `Cannot run the node in ${folder}: it runs already`);
}
