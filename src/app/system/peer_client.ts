import { TtunError } from "../../base/errors.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Resolver } from "../../contract/host.ts";
import { PeerClosed } from "../../core/link/v2/handshake.ts";
import { ConnectError } from "../net/connect_error.ts";
import { type EarlyInput, readEarly } from "./early_input.ts";
import type { DirectServer } from "./server_name.ts";
import { openLinkClient } from "./link_client.ts";
import {
  deadTimeOf,
  isBroken,
  otherKey,
  otherTicket,
  peerLost,
  type PeerSessionOptions,
  PIPE,
  PIPE_END,
  pipeScope,
  retryBroken,
} from "./peer_session.ts";

export interface PeerClientOptions extends PeerSessionOptions {
  readonly server: DirectServer;
  /** 16 random bytes that identify this process. */
  readonly instance: Uint8Array;
  /** The key is a ticket's. */
  readonly hasTicket: boolean;
}

/**
 * Carries bytes between standard input and output and a peer that waits for this end, until both
 * ways have ended and each end has written all that came.
 * @throws {TtunError} auth, unreachable, lost; the signal's reason
 */
export async function runPeerClient(o: PeerClientOptions): Promise<void> {
  const early = readEarly(o.stdio); // once, whatever becomes of the first attempt
  await retryBroken(o, (proved) => runOnce(o, early, proved), isBroken);
}

async function runOnce(
  o: PeerClientOptions,
  { bytes: early, rest }: EarlyInput,
  proved: () => void,
): Promise<void> {
  const { keepMs, onUp } = o;
  let isUp = false;
  try {
    await pipeScope(o, ({ tasks, relays, stack }) => {
      const client = openLinkClient({
        ...o,
        ...NOTHING_TO_RESOLVE,
        retries: keepMs > 0 ? Infinity : 0,
        endsWithSession: true,
        openWaitMs: Infinity,
        deadTime: deadTimeOf(o),
      }, stack);
      tasks.spawn((signal) => client.run(signal));
      tasks.spawn(async (signal) => {
        const { outbound } = client;
        await using stream = await outbound.openService(PIPE, { signal, early });
        isUp = true;
        proved();
        onUp();
        const count = { up: 0, down: 0 };
        relays.addUp(count, early.length);
        await relays.run(rest, stream, count);
        await using _end = await outbound.openService(PIPE_END, { signal });
        tasks.cancel();
      });
    });
  } catch (thrown) {
    o.signal.throwIfAborted();
    throw isUp ? endOf(thrown) : beginningOf(thrown, o);
  }
}

/** Connections with a peer are made by `reach` alone. */
const NOTHING_TO_RESOLVE = {
  dialer: {
    start: (_to, _o, events) => events.failed(noAddress()),
  } satisfies Dialer,
  resolver: { resolve: () => Promise.reject(noAddress()) } satisfies Resolver,
};

function noAddress(): TtunError {
  return new TtunError("internal", "Cannot dial an address here: a peer is reached otherwise");
}

function beginningOf(thrown: unknown, { hasTicket }: PeerClientOptions): unknown {
  if (thrown instanceof PeerClosed || !(thrown instanceof TtunError)) return thrown;
  const isUnproved = ["auth", "protocol", "timeout"].includes(thrown.kind);
  if (!isUnproved) return thrown;
  return hasTicket ? otherTicket(thrown) : otherKey(thrown);
}

function endOf(thrown: unknown): unknown {
  return thrown instanceof ConnectError ? peerLost() : thrown;
}
