import { fstatSync } from "node:fs";
import { formatAddr, plainHost } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { TICKET_KEY_SIZE, ticketPsk } from "../../core/ticket/ticket.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import type { RunContext } from "../command/context.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { openFooter } from "../output/footer.ts";
import { print } from "../output/stdout.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import type { WireChoice } from "../plane/wire_secrets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { rng } from "../platform/rng.ts";
import { linkSecret } from "../secrets/link_secret.ts";
import { addressesRefusal } from "./addresses.ts";
import type { ConnectFlags, ListenFlags, PeerFlags, StunServerFlags } from "./options.ts";
import { peerKey } from "./peer_key.ts";
import type { PeerStart, PeerTask } from "./plane_config.ts";
import { ticketPrinter } from "./show_ticket.ts";
import { viaOf } from "./via.ts";
import { takeTicket } from "./take_ticket.ts";

/**
 * Connects with the peer, and carries standard input and output; without a peer's address it prints
 * this machine's public one. @throws {TtunError}
 */
export async function runPeer(options: PeerFlags, context: RunContext): Promise<number> {
  const { localPort, remotePort, stun, keepAlive, fingerprint, keep: keeps } = options;
  const [myIp, peerIp] = [options.myIp, options.peerIp].map((ip) =>
    ip === undefined ? undefined : plainHost(ip)
  );
  const deadlineMs = options.deadline * 1000;
  if (peerIp === undefined && stun === undefined) {
    throw new TtunError(
      "usage",
      "Cannot connect: give the peer's public address by -peerip, or use ttun peer listen at one " +
        "end and ttun peer connect at the other",
    );
  }
  if (myIp === undefined && stun === undefined) {
    const words =
      "Cannot connect: give this machine's public address by -myip, or a STUN server by " +
      "--stun, which tells it";
    throw new TtunError("usage", words);
  }
  if (myIp !== undefined && peerIp !== undefined) {
    const refusal = addressesRefusal(myIp, peerIp);
    if (refusal !== null) throw refusal;
  }
  const hasTls = options.wire === "auto";
  const key = await peerKey(options, context);
  if (key === null && (keeps || !hasTls)) {
    throw new TtunError(
      "usage",
      `Cannot use ${keeps ? "--keep" : "--wire v2"} without a key that both ends have: give ` +
        "--key-file, TTUN_KEY or --key",
    );
  }
  if (fingerprint !== undefined && !hasTls) {
    throw new TtunError(
      "usage",
      "Cannot use --fingerprint with --wire v2, which has no certificate",
    );
  }
  await runTask(
    {
      kind: "address",
      ...{ myIp, peerIp, localPort, remotePort, stun, keepAlive, deadlineMs, fingerprint },
      ...{ link: key === null ? null : linkOf(key), hasTls, keeps },
      inputSize: sizeToShow(options),
    },
    context,
    { key },
  );
  return 0;
}

/** Waits for a peer with the ticket that it prints, and carries standard input and output. */
export async function runListen(options: ListenFlags, context: RunContext): Promise<number> {
  const { localPort, stun, ttl, keep: keeps, out } = options;
  const via = await viaOf(options, context);
  const myIp = options.myIp === undefined ? undefined : plainHost(options.myIp);
  const ticketKey = rng(TICKET_KEY_SIZE);
  const key = ticketPsk(ticketKey);
  const behind = via === null ? "" : ` --via ${formatAddr(via.server)}`;
  await runTask(
    {
      kind: "listen",
      ...{ myIp, localPort, stun, ticketKey, codeWords: null, keeps, via },
      ttlMs: ttl * 1000,
      inputSize: sizeToShow(options),
      link: linkOf(key),
    },
    context,
    { key, print: await ticketPrinter({ ttl, out, command: "ttun peer connect", behind }) },
  );
  return 0;
}

/** Connects with the peer that has printed a ticket, and carries standard input and output. */
export async function runConnect(options: ConnectFlags, context: RunContext): Promise<number> {
  const { key, name, candidates, meeting } = await takeTicket(options, context);
  const via = await viaOf(options, context);
  const psk = ticketPsk(key);
  await runTask(
    {
      kind: "connect",
      name,
      place: { candidates, meeting, via },
      deadlineMs: options.deadline * 1000,
      link: linkOf(psk),
      keeps: options.keep,
      inputSize: sizeToShow(options),
    },
    context,
    { key: psk },
  );
  return 0;
}

/** Tells others their public addresses. @throws {TtunError} */
export async function runStun({ listen }: StunServerFlags, context: RunContext): Promise<number> {
  await runTask({ kind: "stun", listen }, context, { key: null });
  return 0;
}

/** Undefined where no progress is shown: without a terminal, and with -q. */
function sizeToShow({ quiet }: { readonly quiet: boolean }): number | null | undefined {
  if (quiet || !Deno.stderr.isTerminal()) return undefined;
  const input = fstatSync(STDIN);
  return input.isFile() ? input.size : null;
}

function linkOf(key: Uint8Array): WireChoice {
  return { wire: "v2", psk: pskKey(key), cipher: "auto", rekeySeconds: LONGEST_REKEY };
}

const STDIN = 0;

interface TaskTools {
  readonly key: Uint8Array | null;
  /** Takes a line of output; absent = it goes to standard output. */
  readonly print?: (line: string) => void;
}

async function runTask(
  task: PeerTask,
  context: RunContext,
  { key, print: take }: TaskTools,
): Promise<void> {
  const isLinux = Deno.build.os === "linux";
  requirePermissions(socketNeeds("ffi", "connect"), "client");
  const secret = key === null ? Promise.resolve(null) : linkSecret(key);
  secret.catch(() => {}); // awaited when the data plane is ready, if ever
  const common = {
    aead: "auto",
    io: isLinux ? "ffi" : "deno",
    user: undefined,
    status: null,
    metrics: null,
  } as const;
  using libc = isLinux ? openControlLibc() : null;
  using footer = openFooter();
  let printing = Promise.resolve();
  await using plane = new PlaneHandle<object, PeerStart>({ kind: "peer", task, ...common }, {
    libc,
    context,
  });
  await plane.run({
    prepare: async () => ({ s: await secret }),
    print: (text, isProgress) => {
      if (isProgress) return footer.show(text);
      if (take !== undefined) return take(text);
      printing = printing.then(() => print(`${text}\n`, context.signal));
    },
  });
  await printing;
  if (!context.signal.aborted || !isPipe(task)) return;
  throw new TtunError(
    "partial",
    "Stopped before the pipe's end: bytes may be missing at both ends",
  );
}

/** Its end is told by the exit code: one that was stopped must not look whole. */
function isPipe(task: PeerTask): boolean {
  return task.kind !== "stun" && (task.kind !== "address" || task.peerIp !== undefined);
}
