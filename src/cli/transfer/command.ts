import { basename, resolve } from "node:path";
import type { Agreement } from "../../app/transfer/receive_files.ts";
import { TtunError } from "../../base/errors.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { type RunContext, Stopped } from "../command/context.ts";
import { DEFAULT_KEEP, LONGEST_REKEY } from "../command/session_options.ts";
import { openFooter } from "../output/footer.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { resolveKey } from "../secrets/key_source.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { takeMeeting } from "./take_meeting.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { hopKeyFor } from "../transport/hop_key.ts";
import { resolveListen } from "../transport/resolve_listen.ts";
import { agree } from "./agree.ts";
import { keepingKeys } from "./ask.ts";
import type { Offer } from "./offer.ts";
import type { ReceiveFlags, SendFlags } from "./options.ts";
import type { SendTask, TransferConfig, TransferEnd, TransferStart } from "./plane_config.ts";

/** Sends files to the other end. @throws {TtunError} */
export async function runSend(options: SendFlags, context: RunContext): Promise<number> {
  const { follow: follows, limit } = options;
  const task: SendTask = { kind: "send", paths: pathsOf(options.files), follows, limit };
  if (task.paths === null) refuseStdio(options.listen, "input");
  return await runTransfer(options, task, context, () => {
    throw new TtunError("internal", "Cannot ask for files that are sent");
  });
}

/** Receives files of the other end. @throws {TtunError} */
export async function runReceive(options: ReceiveFlags, context: RunContext): Promise<number> {
  const { output, overwrite: overwrites, yes, hidden } = options;
  const terminal = keepingKeys(denoKeyEnvironment.terminal);
  const folder = output === "-" ? null : resolve(output);
  if (folder === null) refuseStdio(options.listen, "output");
  if (!yes && !terminal.isTerminal()) {
    const words = "Cannot ask for the files, as there is no terminal: --yes takes them";
    throw new TtunError("usage", words);
  }
  const how = { yes, hidden: hidden || folder === null };
  const task = { kind: "receive", folder, overwrites } as const;
  return await runTransfer(
    options,
    task,
    context,
    (offer, signal) => agree(offer, how, terminal, signal),
  );
}

/** Null = standard input. @throws {TtunError} usage */
function pathsOf(files: readonly string[]): SendTask["paths"] {
  if (files.includes("-")) {
    if (files.length === 1) return null;
    throw new TtunError("usage", "Cannot send standard input beside files: send - alone");
  }
  return files.map((file) => {
    const path = resolve(file);
    if (file !== "" && basename(path) !== "") return { path, name: basename(path) };
    throw new TtunError("usage", `Cannot send ${JSON.stringify(file)}: it has no name`);
  });
}

function refuseStdio(listen: Endpoint | undefined, what: string): void {
  if (listen?.scheme !== "stdio") return;
  throw new TtunError(
    "usage",
    `Cannot use standard ${what} for files: it is the link with -l stdio:`,
  );
}

type Flags = SendFlags | ReceiveFlags;

async function runTransfer(
  given: Flags,
  task: TransferConfig["task"],
  context: RunContext,
  ask: (offer: Offer, signal: AbortSignal) => Promise<Agreement>,
): Promise<number> {
  const options = await takeMeeting(given, task.kind, context);
  const io = chooseIo("auto");
  if (io !== "ffi") {
    throw new TtunError("system", "Cannot transfer files here: that is for Linux only so far");
  }
  requirePermissions(socketNeeds(io, "listen and connect"), "client");
  const { key } = await resolveKey(options, context);
  const secret = linkSecret(key);
  secret.catch(() => {}); // awaited when the data plane is ready, if ever
  const end: TransferEnd = options.server === undefined
    ? { role: "server", listen: await resolveListen(options.listen!, context.signal) }
    : { role: "client", server: options.server };
  const config: TransferConfig = {
    kind: "transfer",
    end,
    task,
    ...hopKeyFor([end.role === "client" ? end.server : end.listen], key),
    psk: pskKey(key),
    wire: "v2", // version 1 has no streams
    rekeySeconds: LONGEST_REKEY,
    cipher: options.cipher,
    aead: options.aead,
    io,
    mptcp: options.mptcp,
    congestion: options.congestion,
    segmentSize: options.segmentSize,
    keepSeconds: options.keepSession ?? DEFAULT_KEEP,
    user: undefined,
    status: null,
    metrics: null,
  };
  using libc = openControlLibc();
  using footer = openFooter();
  let stopped: Stopped | null = null;
  await using plane = new PlaneHandle<object, TransferStart>(config, { libc, context });
  try {
    await plane.run({
      prepare: async () => ({ s: await secret }),
      print: (line, isProgress) => isProgress ? footer.show(line) : options.print?.(line),
      agree: async (offer, over) => {
        try {
          return await ask(offer, AbortSignal.any([context.signal, over]));
        } catch (error) {
          if (!(error instanceof Stopped)) throw error;
          stopped = error;
          return { isAccepted: false, declined: new Set() };
        }
      },
    });
  } catch (error) {
    throw stopped ?? error;
  }
  if (!context.signal.aborted) return 0;
  throw new TtunError("partial", "Stopped before all was there: another run goes on with it");
}
