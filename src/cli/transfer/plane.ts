import { createHash } from "node:crypto";
import {
  type RunTransfer,
  runTransferClient,
  runTransferServer,
  type TransferStream,
} from "../../app/system/transfer_session.ts";
import { Pace } from "../../app/transfer/pace.ts";
import { receiveFiles, type Target } from "../../app/transfer/receive_files.ts";
import { sendFiles } from "../../app/transfer/send_files.ts";
import { newCount, type TransferCount, type Verdict } from "../../app/transfer/transfer.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { MakeDigest } from "../../contract/digest.ts";
import type { SourceFile } from "../../contract/files.ts";
import { formatHopAddress } from "../../core/hop/hop_address.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import { type Manifest, ManifestBuilder } from "../../core/transfer/manifest.ts";
import { shownName } from "../../core/transfer/names.ts";
import { temporaryName } from "../../core/transfer/temporary_name.ts";
import { SourceFiles } from "../../io/transfer/source_files.ts";
import { openTargetFolder } from "../../io/transfer/target_folder.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import { TransferProgress } from "../output/transfer_progress.ts";
import { ticketGuard } from "../peer/ticket_guard.ts";
import type { PlaneHost } from "../plane/messages.ts";
import { type OpenedPlane, type PlaneTools, runPlane } from "../plane/run_plane.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { openSockets } from "../platform/open_sockets.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { bytesText } from "../status/text.ts";
import {
  type Endpoint,
  formatEndpoint,
  hopOf,
  hostOf,
  mayNeedNames,
} from "../transport/endpoint.ts";
import { keyedHop } from "../transport/hop_key.ts";
import { dialerFor, listenerName, openLinkServer, openListener } from "../transport/open.ts";
import { offerOf, plural } from "./offer.ts";
import type {
  ReceiveTask,
  SendTask,
  TransferConfig,
  TransferEnd,
  TransferStart,
} from "./plane_config.ts";

type Tools = PlaneTools<SocketPlatform, TransferStart>;

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 300;

/** Files of which the log says why they do not arrive. */
const MOST_TOLD = 50;

/** Files that are listed before other work gets its turn. */
const LISTED_A_TURN = 200;

/** Under which standard input is sent. */
const STDIN_NAME = "stdin";

/** Permission bits of what came from standard input. */
const STDIN_MODE = 0o666;

const sha256: MakeDigest = () => {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
};

/** @throws the reason of `host.stop`, or the failure that ended it */
export async function run(config: TransferConfig, host: PlaneHost): Promise<void> {
  const { end } = config;
  const endpoint = endpointOf(end);
  await runPlane(config, host, {
    mayMeetNames: (end.role === "client" || hostOf(endpoint) === null) && mayNeedNames(endpoint),
    endpoints: [endpoint],
    openPlatform: () => openSockets(config.io),
    open: (tools: Tools) => open(config, tools),
  });
}

function endpointOf(end: TransferEnd): Endpoint {
  return end.role === "client" ? end.server : end.listen;
}

function open(config: TransferConfig, tools: Tools): OpenedPlane<TransferStart> {
  const work = config.task.kind === "send"
    ? openSending(config.task, tools)
    : openReceiving(config.task, tools);
  const meet = openEnd(config, tools);
  return {
    facts: {},
    run: async (start) => {
      await work.prepare();
      const { complete, missing } = await meet(start, work).catch((error) => {
        const isBrokenOff = work.count.acceptedAt !== null && !tools.signal.aborted;
        throw isBrokenOff ? brokenOff(error, work.count, totalOf(work.manifest())) : error;
      });
      const { count: { bytes: count, acceptedAt } } = work;
      const bytes = bytesText(count);
      const seconds = Math.round((tools.platform.clock.now() - acceptedAt!) / 100) / 10;
      tools.log.info(work.done, { files: complete, bytes, seconds });
      if (missing === 0) return;
      const words = `${plural(missing, "file")} of ${complete + missing} did not arrive`;
      throw new TtunError("partial", `Not all is there: ${words}, for the reasons above`);
    },
  };
}

/** One end's part of a transfer. */
interface Work {
  readonly role: "sends" | "receives";
  /** Words for the log when all is done. */
  readonly done: string;
  /** Of the transfer that began last. */
  readonly count: TransferCount;
  /** Of that transfer; null = it is not known yet. */
  readonly manifest: () => Manifest | null;
  /** Does all that can fail before the other end is needed. */
  prepare(): Promise<void>;
  readonly transfer: RunTransfer<Verdict>;
}

type Meet = (start: TransferStart, work: Work) => Promise<Verdict>;

function openEnd(config: TransferConfig, tools: Tools): Meet {
  const { end } = config;
  return end.role === "client"
    ? openClient(end.server, config, tools)
    : openServer(end.listen, config, tools);
}

function openNet({ io, mptcp, segmentSize }: TransferConfig, { platform, log }: Tools) {
  return platform.openNet({
    io,
    mptcp,
    segmentBytes: { dial: segmentSize, listen: segmentSize },
  }, log);
}

function common(config: TransferConfig, { platform, ciphers, log, signal, sessions }: Tools) {
  return {
    keepMs: config.keepSeconds * 1000,
    congestion: platform.planCongestion(config.congestion).choice,
    clock: platform.clock,
    log,
    signal,
    sessions,
    secretsOf: ({ s }: TransferStart) => wireSecrets(config, ciphers, s),
  };
}

function openClient(endpoint: Endpoint, config: TransferConfig, tools: Tools): Meet {
  const { resolver } = tools;
  const net = openNet(config, tools);
  const server = openLinkServer(endpoint, config, tools);
  const dialer = dialerFor(endpoint, net, tools);
  const { secretsOf, ...rest } = common(config, tools);
  return (start, { role, transfer }) =>
    runTransferClient({
      ...rest,
      server,
      dialer,
      resolver,
      secrets: secretsOf(start),
      retries: Infinity,
      instance: rng(ID_SIZE),
      role,
      transfer,
      peer: formatEndpoint(endpoint),
    });
}

function openServer(endpoint: Endpoint, config: TransferConfig, tools: Tools): Meet {
  const { opened, log, portList } = tools;
  const net = openNet(config, tools);
  const hop = hopOf(endpoint);
  const listeners = hop === null ? [opened.use(openListener(endpoint, { ...tools, net }))] : [];
  const names = hop === null ? [listenerName(endpoint, listeners[0]!)] : [formatHopAddress(hop)];
  const { secretsOf, ...rest } = common(config, tools);
  return (start, work) => {
    log.info("waiting for the other end", { address: names.join(" ") });
    return runTransferServer({
      ...rest,
      listeners,
      ...(hop !== null && {
        hops: {
          ends: [keyedHop(hop, config)],
          listen: (at, o) => net.listen(at, o),
          portList,
        },
      }),
      secrets: { ...secretsOf(start), ...ticketGuard([endpoint], rest.clock) },
      role: work.role,
      transfer: work.transfer,
      isAgreed: () => work.count.acceptedAt !== null,
    });
  };
}

function openSending(task: SendTask, tools: Tools): Work {
  const { platform: { reactor, clock }, opened, signal, log } = tools;
  const { paths, follows, limit } = task;
  const input = paths === null
    ? opened.use(new StdioStream({ reactor: reactor!, signal }))
    : undefined;
  const sources = paths === null
    ? null
    : opened.use(new SourceFiles({ paths, follows, shown: shownName }));
  let listed: Listed | null = null;
  const pace = limit === undefined ? undefined : new Pace(limit, { clock, signal }).wait;
  const work = {
    role: "sends" as const,
    done: "sent",
    count: newCount(),
    prepare: async () => {
      listed = await list(sources, tools);
    },
    transfer: async ({ messages, stream, signal }: TransferStream) => {
      const { manifest, open } = listed!;
      const count = work.count = newCount();
      log.info("waiting for the receiver's answer", { files: manifest.files });
      const tell = fewWords(log);
      using _shown = show(work, tools);
      return await sendFiles({
        ...{ stream, messages, sha256, clock, count, tell, manifest, open, input, pace, signal },
      });
    },
    manifest: () => listed?.manifest ?? null,
  };
  return work;
}

interface Listed {
  readonly manifest: Manifest;
  readonly open: (index: number) => SourceFile;
}

/** @throws {TtunError} where something cannot be sent */
async function list(
  sources: SourceFiles | null,
  { platform: { clock }, signal }: Tools,
): Promise<Listed> {
  const builder = new ManifestBuilder();
  const opens: (() => SourceFile)[] = [];
  if (sources === null) {
    const modified = { seconds: Math.floor(Date.now() / 1000), nanoseconds: 0 };
    builder.add({ kind: "stream", name: STDIN_NAME, mode: STDIN_MODE, modified, size: 0 });
  } else {
    for (const file of sources.list()) {
      builder.add(file);
      opens.push(file.open);
      if (opens.length % LISTED_A_TURN !== 0) continue;
      await clock.turn();
      signal.throwIfAborted();
    }
  }
  return { manifest: builder.build(), open: (index) => opens[index]!() };
}

function openReceiving({ folder: path, overwrites }: ReceiveTask, tools: Tools): Work {
  const { platform: { reactor, clock }, opened, signal, log, port } = tools;
  const target: Target = path === null
    ? { output: opened.use(new StdioStream({ reactor: reactor!, signal })) }
    : {
      folder: opened.use(openTargetFolder({
        path,
        temporaryName: (base) => temporaryName(base, sha256),
        shown: shownName,
      })),
      overwrites,
    };
  let manifest: Manifest | null = null;
  const work = {
    role: "receives" as const,
    done: "received",
    count: newCount(),
    prepare: () => Promise.resolve(),
    transfer: async ({ messages, stream, peer, signal }: TransferStream) => {
      const count = work.count = newCount();
      const tell = fewWords(log);
      const agree = async (offered: Manifest, asking: AbortSignal) => {
        manifest = offered;
        return await port.askFor(offerOf(offered, peer), asking);
      };
      using _shown = show(work, tools);
      return await receiveFiles({
        ...{ stream, messages, sha256, clock, count, tell, target, agree, signal },
      });
    },
    manifest: () => manifest,
  };
  return work;
}

/** Logs of the first files why they do not arrive: there may be a million. */
function fewWords(log: Logger): (words: string) => void {
  let told = 0;
  return (words) => {
    told++;
    if (told <= MOST_TOLD) log.warn(words);
    else if (told === MOST_TOLD + 1) log.warn("and more files; the end says how many");
  };
}

/** Shows how far a transfer is, until it is disposed of. */
function show(
  { count, manifest }: Pick<Work, "count" | "manifest">,
  { platform: { clock }, port }: Tools,
): Disposable {
  let progress: TransferProgress | null = null;
  let timer: Disposable;
  const print = (line: string) => port.report({ kind: "print", line, isProgress: true });
  const tick = () => {
    timer = clock.after(PROGRESS_MS, tick);
    if (count.acceptedAt === null) return;
    const total = totalOf(manifest());
    progress ??= new TransferProgress({ total, now: () => clock.now(), begun: count.bytes });
    print(progress.line(count.bytes));
  };
  tick();
  return {
    [Symbol.dispose]: () => {
      timer[Symbol.dispose]();
      print("");
    },
  };
}

/** Null = nobody knows. */
function totalOf(manifest: Manifest | null): number | null {
  return manifest?.entries[0]?.kind === "stream" ? null : manifest?.bytes ?? null;
}

/** Says of a transfer that has broken off what is there. */
function brokenOff(error: unknown, { bytes }: TransferCount, total: number | null): unknown {
  if (!(error instanceof TtunError) || error.kind === "internal") return error;
  const part = total === null
    ? `${bytesText(bytes)} had gone over`
    : `${bytesText(bytes)} of ${bytesText(total)} had gone over; ` +
      "what is there stays, and another run goes on with it";
  return new TtunError("partial", `${error.message}: ${part}`, { cause: error });
}
