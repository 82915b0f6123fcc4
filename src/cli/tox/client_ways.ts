import type { StdioForward } from "../../app/forward/stdio_forward.ts";
import { type ClientForwards, runForwardClient } from "../../app/system/forward_client.ts";
import { type ForwardCounters, runForwards } from "../../app/system/forwards.ts";
import type { EndingInput } from "../../app/tuntox/ending_input.ts";
import { FriendDialer } from "../../app/tuntox/friend_dialer.ts";
import type { StreamLink } from "../../app/tuntox/stream_link.ts";
import type { TunnelLink } from "../../app/tuntox/tunnel_link.ts";
import { TunnelOutbound } from "../../app/tuntox/tunnel_outbound.ts";
import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import type { openForwards } from "../forward/open_forwards.ts";
import { type WireChoice, wireSecrets } from "../plane/wire_secrets.ts";
import type { Net } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import type { ToxTools } from "./tox_tools.ts";

/** Milliseconds for the server to come back, after which the log says that it has not. */
const BACK_MS = 120_000;

/** Forwards of a client whose server is online. */
export interface ClientWay extends Pick<ClientForwards, "onUp" | "onCounters"> {
  /** The server's name for logs. */
  readonly name: string;
  readonly forwards: ReturnType<typeof openForwards>;
  readonly stdio: (StdioForward & { readonly stream: EndingInput }) | undefined;
  readonly net: Net;
  readonly signal: AbortSignal;
  readonly onUp: () => void;
  readonly onCounters: (counters: () => ForwardCounters) => void;
}

/** Returns true if the other end has streams, and false if it is tuntox. @throws the signal's reason */
export async function hasStreams(link: StreamLink, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const ask = () => link.streams.greet(resolve);
  link.onUp = ask;
  ask();
  return await abortable(promise, signal);
}

/** Forwards over link version 2, whose sessions outlive a loss of the friend. */
export async function forwardByStreams(
  streams: StreamLink,
  { name, forwards, stdio, net, link, s, ...way }: ClientWay & {
    readonly link: WireChoice;
    readonly s: Uint8Array;
  },
  { platform: { clock }, ciphers, resolver, sessions, log }: ToxTools,
): Promise<void> {
  const dialer = new FriendDialer(streams, {
    clock,
    deadlineMs: BACK_MS,
    notReached: () => new TtunError("timeout", `Cannot reach ${name}: it is offline`),
  });
  await runForwardClient({
    ...forwards,
    ...way,
    ...{ stdio, resolver, sessions, clock, log },
    server: { name, dialer },
    dialer: net,
    secrets: wireSecrets(link, ciphers, s),
    retries: Infinity,
    instance: rng(ID_SIZE),
  });
}

/** Forwards as tuntox does. @throws {TtunError} usage, for those that it has not */
export async function forwardByTunnels(
  tunnels: TunnelLink,
  { forwards, stdio, ...way }: ClientWay,
  { platform: { clock }, log }: ToxTools,
): Promise<void> {
  if (forwards.remote.table.forwards.length > 0) {
    throw new TtunError(
      "usage",
      "Cannot use -R: the server is tuntox or an older ttun, which cannot listen for this end; run " +
        "this version of ttun tox there, with --permit-listen",
    );
  }
  way.onUp();
  // The only tunnel is that of -W, whose input goes nowhere without it.
  const isPipe = forwards.forwards.forwards.length === 0;
  const outbound = new TunnelOutbound(tunnels, isPipe ? stdio?.stream.end : undefined);
  await runForwards(forwards.forwards, {
    ...way,
    ...{ outbound, clock, log, stdio, limits: forwards.limits },
    datagrams: { bind: null, isPossible: () => false, open: () => null },
    udpIdleMs: Infinity,
  });
  await outbound.delivered(clock, way.signal);
}
