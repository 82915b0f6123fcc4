import type { HostPort } from "../../base/addr.ts";
import { ProtocolError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { frontOf } from "../../core/proxy/front.ts";
import { HttpProxy } from "../../core/proxy/http_proxy.ts";
import { Socks4Server } from "../../core/proxy/socks4.ts";
import { type CheckPassword, Socks5Server } from "../../core/proxy/socks5.ts";
import { formatTarget, type Target } from "../../core/proxy/target.ts";
import { Answers } from "./answers.ts";
import { type Connect, type ConnectError, toConnectError } from "./egress.ts";
import { driveHttp } from "./http_driver.ts";
import { linger } from "./linger.ts";
import { nextBytes } from "./next_bytes.ts";
import { relay, type RelayCount, type RelayOptions } from "./relay.ts";
import type { Scratch } from "./scratch.ts";

/** How long a client that is told early that it is connected may take to say something. */
const WORDS_MS = 10;

/** So much of it goes along. */
const MOST_WORDS = 16 * 1024;

const NOTHING = new Uint8Array();

/** How long an answer may wait for the next one: the client must not think that there is nobody. */
const HOLD_MS = 50;

export interface FrontOptions extends RelayOptions {
  readonly clock: Clock;
  readonly connect: Connect;
  /** Who may use it; null = everybody. */
  readonly auth: CheckPassword | null;
  /**
   * As tt's servers do: a SOCKS5 client is served whatever methods it lists, and no reply names the
   * address that its target is connected from.
   */
  readonly asTt?: boolean;
  readonly signal: AbortSignal;
  /** So long a client has to say what it wants. */
  readonly requestMs: number;
  readonly onTarget: (target: Target) => void;
  /** Why there is no connection to it. */
  readonly onRefused: (thrown: unknown) => void;
  /**
   * Whether a SOCKS client is told at once that it is connected to this target, before that is so:
   * what it says first then goes along with the wish, and a target that cannot be reached resets it.
   */
  readonly isEager?: (target: Target) => boolean;
}

/**
 * Serves one client of a proxy, whatever it speaks: `first`, at least a byte, is what it has sent
 * so far. Returns when all has ended; the stream stays the caller's to close.
 * @throws {ProtocolError} what is no request; {ConnectError} why there is no target; {TtunError}
 */
export async function serveFront(
  client: Stream,
  first: Uint8Array,
  o: FrontOptions,
): Promise<RelayCount> {
  switch (frontOf(first[0]!)) {
    case "socks5": {
      const machine = new Socks5Server({ auth: o.auth, anyMethod: o.asTt === true });
      return await serveSocks(client, machine, first, o);
    }
    case "socks4":
      return await serveSocks(client, new Socks4Server({ needsAuth: o.auth !== null }), first, o);
    case "http":
      return await serveHttp(client, first, o);
    case null:
      throw new ProtocolError("Cannot serve a client that speaks neither SOCKS nor HTTP");
  }
}

async function serveSocks(
  client: Stream,
  machine: Socks5Server | Socks4Server,
  first: Uint8Array,
  o: FrontOptions,
): Promise<RelayCount> {
  const answers = new Answers(client);
  const target = await readRequest(client, machine, answers, first, o);
  o.onTarget(target);
  if (o.isEager?.(target) === true) return await serveEager(client, target, machine, answers, o);
  let upstream: Stream;
  const soon = answers.flushAfter(o.clock, HOLD_MS);
  try {
    upstream = await o.connect(target, { signal: o.signal });
  } catch (thrown) {
    const error = refused(thrown, target, o);
    answers.hold(machine.failed(error.failure));
    await answers.flush();
    await client.closeWrite();
    await linger(client, o.clock);
    throw error;
  } finally {
    soon?.[Symbol.dispose]();
  }
  await using _owned = upstream;
  answers.hold(machine.accepted(o.asTt === true ? null : boundOf(upstream)));
  const answering = answers.flush();
  if (answering instanceof Promise) await answering;
  if (machine.rest.length > 0) await upstream.write(machine.rest);
  const count = { up: machine.rest.length, down: 0 };
  await relay(client, upstream, o, count);
  return count;
}

function boundOf({ local }: Stream): HostPort | null {
  return "path" in local ? null : local;
}

/** Says that the target is connected, and then connects to it. */
async function serveEager(
  client: Stream,
  target: Target,
  machine: Socks5Server | Socks4Server,
  answers: Answers,
  o: FrontOptions,
): Promise<RelayCount> {
  answers.hold(machine.accepted(null));
  await answers.flush();
  const early = machine.rest.length > 0 ? machine.rest : await firstWords(client, o);
  let upstream: Stream;
  try {
    upstream = await o.connect(target, { signal: o.signal, early, once: true });
  } catch (thrown) {
    client.reset();
    throw refused(thrown, target, o);
  }
  await using _owned = upstream;
  const count = { up: early.length, down: 0 };
  await relay(client, upstream, o, count);
  return count;
}

/** What a client says as soon as it is connected; nothing where that is the target's to begin. */
async function firstWords(client: Stream, { clock, scratch }: FrontOptions): Promise<Uint8Array> {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  using _timer = clock.after(WORDS_MS, () => resolve("late"));
  for (;;) {
    const got = client.readNow(scratch.plain.subarray(0, MOST_WORDS));
    if (got === null) return NOTHING; // its end is found again by the relay
    if (got !== undefined) return scratch.plain.slice(0, got);
    const readable = client.readable();
    readable.catch(() => {}); // where it is late nobody waits for it
    if (await Promise.race([readable, late]) === "late") return NOTHING;
  }
}

function refused(thrown: unknown, target: Target, o: FrontOptions): ConnectError {
  if (!o.signal.aborted) o.onRefused(thrown);
  return toConnectError(thrown, target);
}

async function serveHttp(
  client: Stream,
  first: Uint8Array,
  o: FrontOptions,
): Promise<RelayCount> {
  using deadline = o.clock.after(o.requestMs, () => client.reset()); // until the first request
  const onTarget = (target: Target) => {
    deadline[Symbol.dispose]();
    o.onTarget(target);
  };
  return await driveHttp(client, new HttpProxy({ auth: o.auth }), first, { ...o, onTarget });
}

/** @throws {ProtocolError} when the client says something else, nothing for too long, or ends */
async function readRequest(
  client: Stream,
  machine: Socks5Server | Socks4Server,
  answers: Answers,
  first: Uint8Array,
  o: FrontOptions,
): Promise<Target> {
  using _deadline = o.clock.after(o.requestMs, () => client.reset());
  for (let chunk = first;;) {
    for (const step of machine.feed(chunk)) {
      if (step.kind === "connect") return step.target;
      if (step.kind === "send") answers.hold(step.bytes);
      else {
        await answers.flush();
        await client.closeWrite();
        await linger(client, o.clock);
        throw new ProtocolError(`Cannot serve a SOCKS client: ${step.why}`);
      }
    }
    const more = readMessage(client, o.scratch);
    if (more === null) await answers.flush();
    chunk = more ?? await nextBytes(client, o.scratch.message) ?? endedEarly();
  }
}

/** What is there now, lent until anybody else has a turn; null = nothing yet. */
function readMessage(client: Stream, { message }: Scratch): Uint8Array | null {
  const got = client.readNow(message);
  if (got === undefined) return null;
  return got === null ? endedEarly() : message.subarray(0, got);
}

function endedEarly(): never {
  throw new ProtocolError("Cannot serve a SOCKS client: it ended early");
}

/** For the log. */
export function targetText(target: Target | null): string {
  return target === null ? "none" : formatTarget(target);
}
