import { TtunError } from "../../base/errors.ts";
import { type AgentFacts, ownAgentFacts } from "../../core/mesh/admission/agent_certificate.ts";
import { runEnd } from "../background/in_background.ts";
import type { RunContext } from "../command/context.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { load } from "../plane/load.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { mayWritePidFile, writePidFile } from "../platform/pid_file.ts";
import { rng } from "../platform/rng.ts";
import { print } from "../output/stdout.ts";
import { metricsPlace } from "../status/metrics_place.ts";
import { statusPlace } from "../status/place.ts";
import { agentFolder, authoritiesFile, readAgent } from "./agent_folder.ts";
import type { PublishFlags } from "./options.ts";
import type { AgentConfig, TunnelConfig } from "./plane_config.ts";
import { loginsSecrets, takeLogins } from "./logins_variable.ts";
import { readTunnels } from "./tunnels.ts";

const COMMAND = "mesh publish";

/** Publishes services until it is stopped, or their time is over. @throws {TtunError} */
export async function runPublish(options: PublishFlags, context: RunContext): Promise<number> {
  return await runEnd(options, context, {
    preset: "client",
    secrets: () => Promise.resolve(loginsSecrets()),
    run: (context) => runHere(options, context),
  });
}

async function runHere(options: PublishFlags, context: RunContext): Promise<number> {
  const folder = agentFolder(options.data);
  const { pid, inspect = null, metrics, expire } = options;
  if (pid !== undefined) mayWritePidFile(pid);
  const io = chooseIo("auto");
  const listens = inspect !== null || metrics !== undefined;
  requirePermissions([
    ...socketNeeds(io, listens ? "listen and connect" : "connect"),
    { permission: { name: "write", path: folder }, purpose: `keep a certificate in ${folder}` },
  ]);
  const state = readAgent(folder);
  const ofEnvironment = takeLogins(context);
  const salt = rng(16); // one alone, by which logins that are read again are the same
  const facts = ownAgentFacts(state.certificate);
  const tunnelsOf = async (now: PublishFlags) => {
    const tunnels = await readTunnels(now, folder, { salt, ofEnvironment }, context);
    for (const tunnel of tunnels) requireKind(facts, tunnel);
    return tunnels;
  };
  const config: AgentConfig = {
    kind: "agent",
    ...{ user: undefined, aead: "auto", io },
    status: statusPlace(COMMAND, options),
    metrics: metricsPlace(COMMAND, options),
    folder,
    ...state,
    ca: authoritiesFile(folder),
    tunnels: await tunnelsOf(options),
    mayChange: options.tunnels !== undefined || context.reread !== undefined,
    inspect,
  };
  const codeOf = options.qr ? (await load(() => import("./qr_code.ts"))).qrCode : null;
  using expiry = expiryOf(expire, context);
  using libc = config.io === "ffi" ? openControlLibc() : null;
  using atEnd = new DisposableStack();
  const life = { ...context, signal: expiry.signal };
  await using plane = new PlaneHandle<object, null>(config, { libc, context: life });
  using _follows = context.onReload(async () => {
    const again = await context.reread?.();
    // A command's own options.
    const now = again === undefined ? options : again.now as unknown as PublishFlags;
    plane.replaceTunnels(await tunnelsOf(now));
  });
  let printing = Promise.resolve();
  await plane.run({
    print: (line) => {
      const code = codeOf !== null && line.startsWith("https://") ? `\n${codeOf(line)}\n` : "";
      printing = printing.then(() => print(`${line}\n${code}`, context.signal));
    },
    prepare: () => {
      if (pid !== undefined) atEnd.use(writePidFile(pid, context.log));
      return Promise.resolve(null);
    },
    up: async () => {
      await printing;
      await context.background?.ready();
    },
  });
  await printing;
  context.signal.throwIfAborted();
  return 0;
}

/** Gateways pass nothing on to other services of the agent. @throws {TtunError} auth */
function requireKind(
  { kinds }: AgentFacts,
  { name, target, passthrough }: TunnelConfig,
): void {
  const kind = passthrough !== null
    ? "tls"
    : target.kind !== "raw"
    ? "http"
    : target.isPublic
    ? "tcp"
    : "link";
  if (kinds.includes(kind)) return;
  throw new TtunError(
    "auth",
    `Cannot publish ${name}: this agent was enrolled for services of ${
      kinds.join(", ")
    }, and this ` +
      `is one of ${kind}`,
  );
}

/** Returns a signal that also aborts when the time is over. `ms`: undefined = there is no limit. */
function expiryOf(
  ms: number | undefined,
  { signal, log }: RunContext,
): Disposable & { readonly signal: AbortSignal } {
  if (ms === undefined) return { signal, [Symbol.dispose]: () => {} };
  const over = new AbortController();
  const timer = setTimeout(() => {
    log.info("The time is over: the services are not published any more");
    over.abort(new Error("The time is over"));
  }, ms);
  return {
    signal: AbortSignal.any([signal, over.signal]),
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
