import { toTtunError, TtunError } from "../../base/errors.ts";
import { formatTarget, type ForwardTarget } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import { ConnectError } from "../net/connect_error.ts";
import { whenDelivered } from "../net/delivered.ts";
import { open } from "../net/dial_events.ts";
import type { Relays } from "../net/relay.ts";
import { readEarly } from "./read_early.ts";

/** The one connection of a program that lives as long as it. */
export interface StdioForward {
  /** Standard input and output; owned by the forward. */
  readonly stream: Stream;
  readonly to: ForwardTarget;
}

/**
 * Connects a stream with the target, and carries bytes until both ways have ended and the last ones
 * are delivered. @throws {TtunError} if the target cannot be reached, or the connection breaks
 */
export async function runStdioForward(
  { stream, to }: StdioForward,
  o: { outbound: Outbound<ForwardTarget>; relays: Relays; signal: AbortSignal },
): Promise<void> {
  const { outbound, relays, signal } = o;
  await using _stream = stream;
  const early = readEarly(stream, relays.options.scratch);
  await using upstream = await connect(outbound, to, { signal, ...early });
  await relays.run(stream, upstream);
  await new Promise<void>((resolve) => whenDelivered(upstream, relays.options.clock, resolve));
}

async function connect(
  outbound: Outbound<ForwardTarget>,
  to: ForwardTarget,
  o: Parameters<typeof open>[2],
): Promise<Stream> {
  try {
    return await open(outbound, to, o);
  } catch (thrown) {
    o.signal.throwIfAborted();
    if (!(thrown instanceof ConnectError)) throw toTtunError(thrown);
    const kind = thrown.cause instanceof TtunError ? thrown.cause.kind : "unreachable";
    throw new TtunError(kind, `Cannot forward to ${about(thrown, to)}`, { cause: thrown });
  }
}

/** A ConnectError's message most often begins with the target. */
function about({ message }: ConnectError, to: ForwardTarget): string {
  const target = formatTarget(to);
  return message.startsWith(target) ? message : `${target}: ${message}`;
}
