import { toTtunError, TtunError } from "../../base/errors.ts";
import { formatToxId, type ToxId } from "../../core/tox/tox_id.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { runEnd } from "../background/in_background.ts";
import { neededLater } from "../background/needed_later.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { followConfig } from "../plane/follow_config.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { requirePermissions, revokePermissions, socketNeeds } from "../platform/permissions.ts";
import { mayWritePidFile, writePidFile } from "../platform/pid_file.ts";
import { findNodes } from "./find_nodes.ts";
import { serverFolder } from "./folder.ts";
import { findToxEnd } from "./hosts.ts";
import { keepIdentity, lockIdentity } from "./identity.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { linkKey } from "./link_key.ts";
import { isToxClient, toxConfig } from "./make_config.ts";
import type { ToxFlags } from "./options.ts";
import type { ToxFacts, ToxStart } from "./plane_config.ts";
import { toxSecret, toxSecrets } from "./secret.ts";

/** Exit code of `-W` after a failure, as ssh's. */
const STDIO_FAILURE = 255;

/** Milliseconds for a client to reach its server before a service manager goes on without it. */
const READY_MS = 60_000;

/**
 * Runs an end of tuntox's protocol: a client with `-L`, `-D`, `-W` or `-p`, a server without.
 * @throws {TtunError}
 */
export async function runTox(options: ToxFlags, context: RunContext): Promise<number> {
  const isClient = isToxClient(options);
  const daemon = options.daemon || options.daemonize;
  // Not by the table: what an option excludes is left out of a file, and the end would be another.
  if (daemon && (options.ping || options.stdio !== undefined)) {
    throw new TtunError(
      "usage",
      "Cannot go to the background with -W or -p: both end by themselves",
    );
  }
  return await runEnd({ daemon }, context, {
    preset: isClient ? "client" : "server",
    ...(isClient && { readyMs: READY_MS }),
    secrets: async () => toxSecrets((await findEnds(options, context)).secret),
    run: (context) => runHere(options, context),
  });
}

/** Ends that `-i` names, and the secret for them. */
async function findEnds(
  options: ToxFlags,
  context: RunContext,
): Promise<{ readonly ids: readonly ToxId[]; readonly secret: string | null }> {
  const warn = (message: string) => context.log.warn(message);
  const ends = (options.id ?? []).map((end) => findToxEnd(end, warn));
  // The last server counts, as with the program tuntox.
  const ofHost = isToxClient(options) ? ends.at(-1)?.secret ?? null : null;
  return { ids: ends.map(({ id }) => id), secret: await toxSecret(options, context, ofHost) };
}

async function runHere(options: ToxFlags, context: RunContext): Promise<number> {
  const isClient = isToxClient(options);
  requirePermissions(socketNeeds("ffi", "find the Tox network"), isClient ? "client" : "server");
  const { pid } = options;
  if (pid !== undefined) mayWritePidFile(pid);
  const { ids, secret } = await findEnds(options, context);
  const folder = options.configDir ?? (isClient ? null : serverFolder());
  const { places: nodes } = findNodes(options.nodes, context.log);
  const s = linkSecret(linkKey(secret));
  s.catch(() => {}); // awaited when the data plane is ready, if ever
  const config = toxConfig(options, { nodes, ids, secret, folder });
  // Without a loop that blocks, the data plane needs no wake-up.
  using libc = config.io === "ffi" ? openControlLibc() : null;
  using atEnd = new DisposableStack();
  await using plane = new PlaneHandle<ToxFacts, ToxStart>(config, { libc, context });
  using _follows = followConfig(context, isClient ? null : plane.replaceRules);
  let printing = Promise.resolve();
  try {
    await plane.run({
      print: (line) => {
        printing = printing.then(() => print(`${line}\n`, context.signal));
      },
      prepare: async ({ address, savedata }) => {
        const id = formatToxId(address);
        if (!isClient) keepIdentity(folder!, savedata, config.node.savedata);
        if (folder !== null && (!isClient || config.node.savedata !== null)) {
          const lock = lockIdentity(folder);
          if (lock !== null) atEnd.use(lock);
        }
        if (options.idFile !== undefined) writeId(options.idFile, id);
        if (pid !== undefined) atEnd.use(writePidFile(pid, context.log));
        context.log.info(isClient ? "Tox client" : "Tox server", { id });
        // The data plane resolves names by this thread, and reads what the library's callbacks give.
        revokePermissions(["net", "ffi", ...neededLater(options, context)]);
        return { s: await s };
      },
      up: async () => await context.background?.ready(),
    });
  } catch (thrown) {
    if (options.stdio === undefined || context.signal.aborted) throw thrown;
    const error = toTtunError(thrown);
    context.log.error(error.message, { kind: error.kind });
    return STDIO_FAILURE;
  }
  await printing;
  context.signal.throwIfAborted();
  return 0;
}

/** Other programs read it: it is the ID without a line end, as the program tuntox writes it. */
function writeId(path: string, id: string): void {
  try {
    Deno.writeTextFileSync(path, id);
  } catch (error) {
    throw fileFailure("write", path, error);
  }
}
