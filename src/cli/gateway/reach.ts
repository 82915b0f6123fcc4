import { TtunError } from "../../base/errors.ts";
import { makeTarget } from "../../base/target.ts";
import { toTtunError } from "../../base/errors.ts";
import { PUBLIC_ACCESS, readAccessKey } from "../../core/gateway/access_key.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
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
import { readVariable } from "../platform/variables.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import { agentFolder, isAgent, readAgent } from "./agent_folder.ts";
import type { ReachConnectFlags, ReachListenFlags } from "./reach_options.ts";
import { meshPlace } from "./take_mesh.ts";

const ACCESS: SecretKind = { file: "access file", question: "Access key: " };
const VARIABLE = "TTUN_ACCESS";

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
  if (options.accessFile === "-") {
    throw new TtunError(
      "usage",
      "Cannot read the access key from there: it has the service's bytes",
    );
  }
  try {
    await run(options, context, (to) => ({
      retries: Infinity,
      firstRetries: FIRST_RETRIES,
      stdio: to,
      specs: [],
    }));
  } catch (thrown) {
    if (context.signal.aborted) throw thrown;
    const error = toTtunError(thrown);
    if (error.kind === "usage" || error.kind === "internal") throw error;
    const { kind } = error;
    context.log.error(kind === "protocol" ? notLetIn(options) : error.message, { kind });
    return STDIO_FAILURE;
  }
  return 0;
}

/** Listens for connections, or datagrams, to a service until it is stopped. @throws {TtunError} */
export async function runReachListen(
  options: ReachListenFlags,
  context: RunContext,
): Promise<number> {
  const protocol = options.udp ? "udp" : "tcp";
  if (options.udp && options.listen.some((listen) => "path" in listen)) {
    throw new TtunError("usage", "Cannot use --udp with a unix socket: write a port behind -l");
  }
  await run(options, context, (to) => ({
    retries: Infinity,
    specs: options.listen.map((listen) => ({ kind: "local", listen, to, protocol })),
  }));
  return 0;
}

interface Wishes extends Pick<ForwardClientEnd, "retries" | "firstRetries" | "stdio"> {
  readonly specs: ForwardClientEnd["forwards"]["specs"];
}

async function run(
  options: ReachConnectFlags | ReachListenFlags,
  context: RunContext,
  wishes: (to: ReturnType<typeof makeTarget>) => Wishes,
): Promise<void> {
  const io = chooseIo("auto");
  requirePermissions(socketNeeds(io, "listen and connect"));
  const { name, port } = options.name;
  const apex = options.name.apex ?? ownApex(name);
  const { ca = null, at = [] } = options;
  const place = meshPlace({ apex, name, port, at, ca });
  const key = await accessKey(options, context);
  const secret = linkSecret(key);
  secret.catch(() => {}); // awaited when the data plane is ready, if ever
  const { specs, ...end } = wishes(makeTarget(`${name}.${apex}`, PORT));
  const config: ForwardConfig = {
    kind: "forward",
    end: {
      role: "client",
      server: { scheme: "mesh", at: pack(place) },
      ...end,
      forwards: {
        specs,
        remotes: [],
        exitOnFailure: true,
        keepMs: DEFAULT_KEEP * 1000,
        udpIdleMs: DEFAULT_UDP_IDLE * 1000,
      },
    },
    psk: pskKey(key),
    wire: "v2",
    rekeySeconds: LONGEST_REKEY,
    cipher: "auto",
    aead: "auto",
    io,
    mptcp: undefined,
    congestion: "auto",
    segmentSize: undefined,
    ...{ user: undefined, status: null, metrics: null },
  };
  using libc = io === "ffi" ? openControlLibc() : null;
  await using plane = new PlaneHandle<ForwardFacts, ForwardStart>(config, { libc, context });
  await plane.run({ prepare: async () => ({ s: await secret }) });
  context.signal.throwIfAborted();
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
function notLetIn({ name: { name }, accessFile }: ReachConnectFlags): string {
  return accessFile === undefined && readVariable(VARIABLE) === undefined
    ? `Cannot connect with ${name}: it is not there, or it wants an access key (--access-file)`
    : `Cannot connect with ${name}: it is not there, or the access key is none of its own any more`;
}

/** Takes the access key of a file, standard input, TTUN_ACCESS or a prompt. @throws {TtunError} */
async function accessKey(
  { accessFile }: Pick<ReachConnectFlags, "accessFile">,
  context: RunContext,
): Promise<Uint8Array> {
  const host = denoKeyEnvironment;
  const ofEnvironment = readVariable(VARIABLE);
  if (ofEnvironment !== undefined) host.env.forget(VARIABLE);
  if (accessFile !== undefined) {
    const bytes = await readSecretFile(accessFile, ACCESS, context, host);
    return readAccessKey(new TextDecoder().decode(bytes));
  }
  return ofEnvironment === undefined ? PUBLIC_ACCESS : readAccessKey(ofEnvironment);
}
