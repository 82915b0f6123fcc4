import { toTtunError, TtunError } from "../../base/errors.ts";
import { makeTarget } from "../../base/target.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { runEnd } from "../background/in_background.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { RunContext } from "../command/context.ts";
import { DEFAULT_KEEP, DEFAULT_UDP_IDLE, LONGEST_REKEY } from "../command/session_options.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import type {
  ForwardClientEnd,
  ForwardConfig,
  ForwardFacts,
  ForwardStart,
} from "../forward/plane_config.ts";
import { pack } from "../peer/packed.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { mayWritePidFile, writePidFile } from "../platform/pid_file.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { metricsPlace } from "../status/metrics_place.ts";
import { statusPlace } from "../status/place.ts";
import { agentFolder, isAgent, readAgent } from "./agent_folder.ts";
import type { ReachConnectFlags, ReachListenFlags } from "./reach_options.ts";
import { accessSecrets, linkKeyOf, takeAccess } from "./take_access.ts";
import { meshPlace } from "./take_mesh.ts";

const LISTEN = "mesh listen";

/** Exit code of a failure, as ssh's: a code of the service's own cannot be mistaken for it. */
const STDIO_FAILURE = 255;

/** Attempts that may follow a failed one before there is a connection: whoever waits hears of it then. */
const FIRST_RETRIES = 1;

/** The target's own port is its agent's affair: whatever is asked for, it connects to that. */
const PORT = 443;

/** Connects standard input and output with a service. @throws {TtunError} before it has begun */
export async function runReachConnect(
  options: ReachConnectFlags,
  context: RunContext,
): Promise<number> {
  const { accessFile } = options;
  if (accessFile === "-") {
    throw new TtunError(
      "usage",
      "Cannot read the access key from there: it has the service's bytes",
    );
  }
  const key = await takeAccess(accessFile, context);
  const place = placeOf(options);
  const end = {
    ...{ retries: Infinity, firstRetries: FIRST_RETRIES },
    stdio: makeTarget(place.host, PORT),
  };
  try {
    await run({ place, key, end, specs: [], status: null, metrics: null }, context);
  } catch (thrown) {
    if (context.signal.aborted) throw thrown;
    const { kind, message } = toTtunError(thrown);
    if (kind === "usage" || kind === "internal") throw thrown;
    const words = kind === "protocol" ? notLetIn(options.name.name, key !== null) : message;
    context.log.error(words, { kind });
    return STDIO_FAILURE;
  }
  return 0;
}

/** Listens for connections, or datagrams, to a service until it is stopped. @throws {TtunError} */
export async function runReachListen(
  options: ReachListenFlags,
  context: RunContext,
): Promise<number> {
  if (options.udp && options.listen.some((listen) => "path" in listen)) {
    throw new TtunError("usage", "Cannot use --udp with a unix socket: write a port behind -l");
  }
  return await runEnd(options, context, {
    preset: "client",
    secrets: async () => accessSecrets(await takeAccess(options.accessFile, context)),
    run: (context) => listenHere(options, context),
  });
}

async function listenHere(options: ReachListenFlags, context: RunContext): Promise<number> {
  const { pid, udp, listen } = options;
  if (pid !== undefined) mayWritePidFile(pid);
  const key = await takeAccess(options.accessFile, context);
  const place = placeOf(options);
  const to = makeTarget(place.host, PORT);
  const protocol = udp ? "udp" : "tcp";
  using atEnd = new DisposableStack();
  await run({
    ...{ place, key, end: { retries: Infinity } },
    specs: listen.map((listen) => ({ kind: "local", listen, to, protocol })),
    status: statusPlace(LISTEN, options),
    metrics: metricsPlace(LISTEN, options),
    ready: () => {
      if (pid !== undefined) atEnd.use(writePidFile(pid, context.log));
    },
  }, context);
  return 0;
}

interface Reaching extends Pick<CommonConfig, "status" | "metrics"> {
  readonly place: ReturnType<typeof meshPlace>;
  /** Null = the service is a public one. */
  readonly key: Uint8Array | null;
  readonly end: Pick<ForwardClientEnd, "retries" | "firstRetries" | "stdio">;
  readonly specs: ForwardClientEnd["forwards"]["specs"];
  /** Called when its listeners are there. */
  readonly ready?: () => void;
}

async function run(
  { place, key: given, end, specs, status, metrics, ready }: Reaching,
  context: RunContext,
): Promise<void> {
  const io = chooseIo("auto");
  requirePermissions(socketNeeds(io, "listen and connect"));
  const key = linkKeyOf(given);
  const secret = linkSecret(key);
  secret.catch(() => {}); // awaited when the data plane is ready, if ever
  const forwards = {
    ...{ specs, remotes: [], exitOnFailure: true },
    keepMs: DEFAULT_KEEP * 1000,
    udpIdleMs: DEFAULT_UDP_IDLE * 1000,
  };
  const config: ForwardConfig = {
    kind: "forward",
    end: { role: "client", server: { scheme: "mesh", at: pack(place) }, ...end, forwards },
    psk: pskKey(key),
    wire: "v2",
    rekeySeconds: LONGEST_REKEY,
    cipher: "auto",
    aead: "auto",
    io,
    mptcp: undefined,
    congestion: "auto",
    segmentSize: undefined,
    ...{ user: undefined, status, metrics },
  };
  using libc = io === "ffi" ? openControlLibc() : null;
  await using plane = new PlaneHandle<ForwardFacts, ForwardStart>(config, { libc, context });
  await plane.run({
    prepare: async () => {
      ready?.();
      return { s: await secret };
    },
    up: async () => await context.background?.ready(),
  });
  context.signal.throwIfAborted();
}

/** @throws {TtunError} usage */
function placeOf({ name: { name, apex, port }, ca, at = [] }: ReachConnectFlags) {
  return meshPlace({ apex: apex ?? ownApex(name), name, port, at, ca: ca ?? null });
}

/** Returns the domain of this machine's agent. @throws {TtunError} usage, without one */
function ownApex(name: string): string {
  const folder = agentFolder(undefined);
  if (isAgent(folder)) return readAgent(folder).apex;
  throw new TtunError(
    "usage",
    `Cannot tell where ${name} is: this machine has no agent; write the whole name, as ` +
      `${name}.example.net`,
  );
}

/** An agent that has no such key, or no such service, closes the connection without a word. */
function notLetIn(name: string, hasKey: boolean): string {
  return hasKey
    ? `Cannot connect with ${name}: it is not there, or the access key is none of its own any more`
    : `Cannot connect with ${name}: it is not there, or it wants an access key (--access-file)`;
}
