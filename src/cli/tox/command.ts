import { toTtunError, TtunError } from "../../base/errors.ts";
import { parseNodeList } from "../../core/tox/node_list.ts";
import { parseToxProxy } from "../../core/tox/proxy_variable.ts";
import { formatToxId, type ToxId } from "../../core/tox/tox_id.ts";
import { parseTunnelRules } from "../../core/tuntox/rules.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { fileFailure, fileReason } from "../platform/file_failure.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { readVariable } from "../platform/variables.ts";
import { serverFolder } from "./folder.ts";
import { findToxEnd } from "./hosts.ts";
import { keepIdentity, readIdentity } from "./identity.ts";
import { NODES } from "./nodes.ts";
import type { ToxFlags } from "./options.ts";
import type { ToxClientEnd, ToxConfig, ToxFacts, ToxServerEnd } from "./plane_config.ts";
import { toxSecret } from "./secret.ts";

/** Exit code of `-W` after a failure, as ssh's. */
const STDIO_FAILURE = 255;

/** Pings of `-p`. */
const PINGS = 10;

/**
 * Runs an end of tuntox's protocol: a client with `-L`, `-D`, `-W` or `-p`, a server without.
 * @throws {TtunError}
 */
export async function runTox(options: ToxFlags, context: RunContext): Promise<number> {
  const isClient = options.local !== undefined || options.dynamic !== undefined ||
    options.stdio !== undefined || options.ping;
  requirePermissions(socketNeeds("ffi", "find the Tox network"));
  const warn = (message: string) => context.log.warn(message);
  const ends = (options.id ?? []).map((end) => findToxEnd(end, warn));
  // The last server counts, as with the program tuntox.
  const ofHost = isClient ? ends.at(-1)?.secret ?? null : null;
  const secret = await toxSecret(options, context, ofHost);
  const ids = ends.map(({ id }) => id);
  const end = isClient ? clientEnd(options, ids) : serverEnd(options, ids, secret);
  const folder = options.configDir ?? (isClient ? null : serverFolder());
  const config = configOf(options, { end, secret, folder });
  // Without a loop that blocks, the data plane needs no wake-up.
  using libc = config.io === "ffi" ? openControlLibc() : null;
  await using plane = new PlaneHandle<ToxFacts, null>(config, { libc, context });
  let printing = Promise.resolve();
  try {
    await plane.run({
      print: (line) => {
        printing = printing.then(() => print(`${line}\n`, context.signal));
      },
      prepare: ({ address, savedata }) => {
        const id = formatToxId(address);
        if (!isClient) keepIdentity(folder!, savedata);
        if (options.idFile !== undefined) writeId(options.idFile, id);
        context.log.info(isClient ? "Tox client" : "Tox server", { id });
        return Promise.resolve(null);
      },
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

function configOf(
  options: ToxFlags,
  { end, secret, folder }: {
    readonly end: ToxServerEnd | ToxClientEnd;
    readonly secret: string | null;
    /** Null = the identity is a new one. */
    readonly folder: string | null;
  },
): ToxConfig {
  const proxy = readVariable("ALL_PROXY") ?? readVariable("all_proxy");
  const { relayPort } = options;
  return {
    kind: "tox",
    io: chooseIo("auto"),
    ...{ user: undefined, aead: "auto", status: null, metrics: null },
    secret,
    end,
    node: {
      program: Deno.execPath(),
      savedata: folder === null ? null : readIdentity(folder),
      udpPorts: options.udpPorts,
      relayPort: relayPort === 0 ? undefined : relayPort,
      proxy: proxy === undefined || proxy === "" ? undefined : parseToxProxy(proxy),
      nodes: options.nodes === undefined ? NODES : parseNodeList(readText(options.nodes)),
    },
  };
}

function clientEnd(
  { local, dynamic, stdio, ping, deadline }: ToxFlags,
  ids: readonly ToxId[],
): ToxClientEnd {
  const server = ids.at(-1);
  if (server === undefined) {
    throw new TtunError("usage", "Cannot be a client without a server: give its Tox ID by -i");
  }
  return {
    role: "client",
    address: server.bytes,
    forwards: [...local ?? [], ...dynamic ?? []],
    stdio,
    pings: ping ? PINGS : 0,
    deadlineMs: deadline * 1000,
  };
}

/** @throws {TtunError} usage, where anybody could come and that is not asked for */
function serverEnd(
  { open, allow, deny, rules }: ToxFlags,
  ids: readonly ToxId[],
  secret: string | null,
): ToxServerEnd {
  const whitelist = ids.map(({ publicKey }) => publicKey);
  if (secret === null && whitelist.length === 0 && !open) {
    throw new TtunError(
      "usage",
      "Cannot serve without a secret and without -i: anybody who learns the Tox ID could use " +
        "this machine's network; give --secret-file FILE, or -i TOX_ID of each client, or --open",
    );
  }
  return {
    role: "server",
    whitelist,
    allow: (allow ?? []).flat(),
    deny: (deny ?? []).flat(),
    tunnels: rules === undefined ? null : parseTunnelRules(readText(rules)),
  };
}

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound ? "there is no such file" : fileReason(error);
    throw new TtunError("usage", `Cannot read ${path}: ${why}`, { cause: error });
  }
}

/** Other programs read it: it is the ID without a line end, as the program tuntox writes it. */
function writeId(path: string, id: string): void {
  try {
    Deno.writeTextFileSync(path, id);
  } catch (error) {
    throw fileFailure("write", path, error);
  }
}
