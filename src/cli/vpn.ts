import { errorFromPlain, plainError, toTtunError, TtunError } from "../base/errors.ts";
import { onAbort } from "../base/scope.ts";
import { formatAddr, type HostPort, parseCidr } from "../base/addr.ts";
import { pskKey } from "../core/kdf.ts";
import { WAKE } from "../../ffi/epoll.ts";
import { type Libc, openLibc } from "../../ffi/libc.ts";
import type { RunContext } from "./context.ts";
import { runHook, SHELL } from "./hooks.ts";
import { warnOfWeakKey } from "./key_strength.ts";
import { isKnown, remember, stateDirectory } from "./known_servers.ts";
import { linkSecret, serverToken } from "./link_secret.ts";
import { resolveKey } from "./key_source.ts";
import type { GoWith, Order, PlaneConfig, PlaneFacts, Report } from "./messages.ts";
import {
  isGranted,
  type Need,
  requirePermissions,
  type Revocable,
  revokePermissions,
} from "./permissions.ts";
import { DARWIN_PROGRAMS } from "../io/netcfg_darwin.ts";
import { WINDOWS_PROGRAMS } from "../io/netcfg_windows.ts";
import { resolveHost } from "./resolve.ts";
import { firstHost } from "../core/address_pool.ts";
import type { ServerOptions, VpnOptions } from "./vpn_options.ts";

type Role = "server" | "client";
type Hooks = { readonly up: string | undefined; readonly down: string | undefined };

/** Addresses of the existing programs (docs/ttun-v1.md). */
const DEFAULT_ADDRESSES: Readonly<Record<Role, readonly string[]>> = {
  server: ["10.1.1.1/30", "fc11::1/126"],
  client: ["10.1.1.2/30", "fc11::2/126"],
};

/** Programs that configure a device where no system call of ours does. */
const ADDRESS_PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  darwin: DARWIN_PROGRAMS,
  windows: WINDOWS_PROGRAMS,
};

/** How long the data plane may take to end before it is left behind, in milliseconds. */
const STOP_PATIENCE = 900;

/**
 * `ttun server` and `ttun client`: the control plane. It finds the key, starts the data plane in a
 * Worker, gives up what permissions are no longer needed, answers the plane's questions, and ends
 * it when the signal aborts. Resolves to 0 when that was what ended it.
 * @throws {TtunError} what else ended it
 */
export async function runVpn(
  role: Role,
  options: VpnOptions,
  context: RunContext,
): Promise<number> {
  requirePermissions(needs(role, options), role);
  const { key } = await resolveKey(options, context);
  warnOfWeakKey(key, context.log);
  const memory = rememberingServer(options, key, context);
  memory.go.catch(() => {}); // awaited when the plane is ready, if it ever is
  const config = await planeConfig(options, pskKey(key));
  const hooks = { up: options.up, down: options.down };
  // Elsewhere nothing is done by system calls here: the plane is told by messages alone.
  using libc = Deno.build.os === "linux" ? openLibc() : null;
  await using plane = new Plane(config, libc, context);
  plane.onMetV2 = memory.remember;
  await plane.run(role, hooks, memory.go, () => revokePermissions(stillNeeded(config, hooks)));
  context.signal.throwIfAborted();
  return 0;
}

/**
 * What is used after everything is open. A Worker shares the permissions of its parent, so this
 * holds for the data plane too: it goes on with the libraries, sockets and device that it has.
 */
function stillNeeded(config: PlaneConfig, hooks: Hooks): Revocable[] {
  const keep: Revocable[] = [];
  const isLinux = Deno.build.os === "linux";
  // Sockets of Deno's own, and names.
  if (!isLinux || config.io === "deno" || config.carrier.role === "client") keep.push("net");
  const mayLearn = config.carrier.role === "client" && config.wire === "auto";
  if (mayLearn) keep.push("read", "write"); // known_servers.ts
  // Hooks; elsewhere addresses are given and taken back by programs too.
  if (!isLinux || hooks.up !== undefined || hooks.down !== undefined) keep.push("run");
  return keep;
}

function needs(role: Role, options: VpnOptions): Need[] {
  const all: Need[] = [
    { permission: { name: "ffi" }, purpose: "open the TUN device" },
    { permission: { name: "net" }, purpose: role === "server" ? "listen" : "connect" },
    { permission: { name: "read" }, purpose: "start the data plane" },
  ];
  for (const command of ADDRESS_PROGRAMS[Deno.build.os] ?? []) {
    all.push({ permission: { name: "run", command }, purpose: "give the device its addresses" });
  }
  if (options.up !== undefined || options.down !== undefined) {
    all.push({
      permission: { name: "run", command: SHELL },
      purpose: "run the --up and --down commands",
    });
  }
  return all;
}

async function planeConfig(
  options: VpnOptions,
  psk: Uint8Array,
): Promise<PlaneConfig> {
  const isClient = "server" in options;
  const addresses = options.address ?? [];
  const asked = addresses.length > 0;
  const peers = options.peerAddress ?? [];
  const many = isClient ? undefined : manyClients(options);
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
  return {
    carrier: isClient
      ? {
        role: "client",
        server: options.server,
        retries: options.once ? 0 : options.retries ?? Infinity,
      }
      : {
        role: "server",
        listen: await listenAddress(options.listen),
        ...(many !== undefined && { many }),
      },
    psk,
    // Addresses can be given by version 2 only.
    wire: many === undefined ? options.wire : "v2",
    rekeySeconds: options.rekey,
    cipher: options.cipher,
    aead: options.aead,
    io: options.io,
    mptcp: options.mptcp,
    congestion: options.congestion,
    device: options.device,
    wintun: options.wintun,
    mtu: options.mtu,
    addresses: asked ? addresses : defaults,
    addressesAreAsked: asked,
    peers,
    routes: options.route ?? [],
    mssClamp: options.mssClamp,
    offload: options.offload === "auto",
    user: options.user,
  };
}

/**
 * The secret of version 2, worked out beside everything else, and with it whether the server has
 * spoken that version before; `remember` writes down that it has.
 */
function rememberingServer(
  options: VpnOptions,
  key: Uint8Array,
  { log }: RunContext,
): { go: Promise<GoWith>; remember: () => Promise<void> } {
  const secret = options.wire === "v1" ? Promise.resolve(new Uint8Array()) : linkSecret(key);
  const directory = "server" in options && options.wire === "auto" ? stateDirectory() : null;
  if (!("server" in options) || directory === null) {
    return { go: secret.then((s) => ({ s, knowsV2: false })), remember: () => Promise.resolve() };
  }
  const server = formatAddr(options.server);
  const may = (name: "read" | "write") => isGranted({ name, path: directory });
  return {
    go: secret.then((s) => ({
      s,
      knowsV2: may("read") && isKnown(directory, serverToken(s, server)),
    })),
    remember: async () => {
      const token = serverToken(await secret, server);
      const problem = may("read") && may("write")
        ? remember(directory, token)
        : "no permission (--allow-read, --allow-write)";
      if (problem === null) return;
      log.info("cannot remember that this server speaks version 2", { why: problem });
    },
  };
}

/** @throws {TtunError} usage, on options that do not go together */
function manyClients({ clients, pool = [], wire, peerAddress }: ServerOptions) {
  if (clients === undefined && pool.length === 0) return undefined;
  const refuse = (words: string): never => {
    throw new TtunError("usage", `Cannot serve many clients: ${words}`);
  };
  if (pool.length === 0) refuse("give the network of their addresses with --pool");
  if (wire === "v1") refuse("version 1 of the wire has no addresses to give; leave --wire v1 away");
  if ((peerAddress ?? []).length > 0) refuse("--peer-address is for one client only");
  for (const family of [4, 6]) {
    if (pool.filter((network) => network.family === family).length > 1) {
      refuse(`give --pool once for IPv${family}`);
    }
  }
  return { clients: clients ?? 1, pool };
}

/** A name to listen on is resolved once; "" stays all addresses. */
async function listenAddress({ host, port }: HostPort): Promise<HostPort> {
  return { host: host === "" ? "" : (await resolveHost(host))[0]!, port };
}

/** Never called: so that `deno cache` and `deno install` know the Worker's file to be part of this. */
export const planeModule: () => Promise<unknown> = () => import("./data_plane.ts");

/** The data plane as the main thread sees it. */
class Plane implements AsyncDisposable {
  onMetV2: () => Promise<void> = () => Promise.resolve();
  readonly #context: RunContext;
  readonly #libc: Libc | null;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  #wakeFd: number | null = null;
  readonly #ready = Promise.withResolvers<PlaneFacts>();
  /** null = as it was asked to. */
  readonly #ended = Promise.withResolvers<TtunError | null>();

  constructor(config: PlaneConfig, libc: Libc | null, context: RunContext) {
    this.#libc = libc;
    this.#context = context;
    this.#worker = new Worker(new URL("./data_plane.ts", import.meta.url), { type: "module" });
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#ended.resolve(toTtunError(event.error ?? new Error(event.message)));
    };
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = (event) => this.#take(event.data as Report);
    this.#worker.postMessage({ config, port: port2 }, [port2]);
  }

  /**
   * From the first sign of life to the end, hooks included. Returns when it was asked to stop.
   * @throws {TtunError} what else ended it
   */
  async run(
    role: Role,
    hooks: Hooks,
    go: Promise<GoWith>,
    onReady: () => void,
  ): Promise<void> {
    using _stop = onAbort(this.#context.signal, () => this.#order({ kind: "stop" }));
    const first = await this.#orStopped(Promise.race([this.#ready.promise, this.#ended.promise]));
    if (first instanceof TtunError) throw first;
    if (first === null) return;
    onReady();
    try {
      if (hooks.up !== undefined) {
        const up = { name: "--up", command: hooks.up, role, facts: first } as const;
        await this.#orStopped(runHook(up, this.#libc, this.#context.signal));
      }
      if (this.#context.signal.aborted) return;
      this.#order({ kind: "go", ...await go });
      const failure = await this.#orStopped(this.#ended.promise);
      if (failure !== null) throw failure;
    } finally {
      await this.#stop();
      if (hooks.down !== undefined) await this.#runDown(hooks.down, first, role);
    }
  }

  /** What comes first: the outcome, or null when ttun is asked to stop. */
  async #orStopped<T>(outcome: Promise<T>): Promise<T | null> {
    const { promise: asked, resolve } = Promise.withResolvers<null>();
    using _tie = onAbort(this.#context.signal, () => resolve(null));
    return await Promise.race([outcome, asked]);
  }

  /** Lets the plane close what it has opened; one that does not is left behind, not waited for. */
  async #stop(): Promise<void> {
    this.#order({ kind: "stop" });
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const timer = setTimeout(() => resolve("late"), STOP_PATIENCE);
    if (await Promise.race([this.#ended.promise, late]) === "late") {
      this.#context.log.warn("the data plane does not stop: it is left behind");
    }
    clearTimeout(timer);
  }

  async #runDown(command: string, facts: PlaneFacts, role: Role): Promise<void> {
    try {
      await runHook({ name: "--down", command, role, facts }, this.#libc, null);
    } catch (error) {
      this.#context.log.warn(toTtunError(error).message); // the end goes on
    }
  }

  #take(report: Report): void {
    switch (report.kind) {
      case "listening":
        this.#wakeFd = report.wakeFd;
        if (this.#context.signal.aborted) this.#order({ kind: "stop" });
        return;
      case "log":
        return this.#context.printRecord(report.record);
      case "ready":
        return this.#ready.resolve(report.facts);
      case "resolve":
        return void this.#resolve(report.id, report.host);
      case "metV2":
        return void this.onMetV2();
      case "ended":
        this.#wakeFd = null; // the plane has closed it: the number may be another's by now
        return this.#ended.resolve(report.error === null ? null : errorFromPlain(report.error));
      default:
        report satisfies never;
    }
  }

  async #resolve(id: number, host: string): Promise<void> {
    try {
      this.#order({ kind: "resolved", id, addresses: await resolveHost(host) });
    } catch (error) {
      this.#order({ kind: "unresolved", id, error: plainError(error) });
    }
  }

  #order(order: Order): void {
    this.#port.postMessage(order);
    if (this.#wakeFd !== null) this.#libc?.call.write(this.#wakeFd, WAKE, 8n);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    this.#port.close();
    this.#worker.terminate();
  }
}
