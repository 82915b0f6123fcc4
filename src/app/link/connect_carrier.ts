import { concat } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { ClientHandshake, type MetServer } from "../../core/link/v2/client_handshake.ts";
import { type LinkSession, MitmSuspected } from "../../core/link/v2/handshake.ts";
import type { Offer, ServerSetup, SessionIdentity } from "../../core/link/v2/setup.ts";
import { read, write } from "../loop/stream_io.ts";
import { HANDSHAKE_DEADLINE } from "../net/stranger.ts";
import { handshakeConfig, type WireSecrets } from "./config.ts";

const BUFFER = 8192;

const NOTHING = new Uint8Array();

export interface CarrierRequest {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly offer: Offer;
  readonly identity: Omit<SessionIdentity, "resume">;
  /** The session's secret and the next numbered frame, where the carrier goes on with a session. */
  readonly resume?: { readonly secret: Uint8Array; readonly expected: number };
  /**
   * Returns frames to send right behind the setup, perhaps none: called once, when the server has
   * proved the key, and only for a new session. The server may act on them though its answer is lost.
   */
  readonly early?: (server: MetServer) => Uint8Array;
  /** The server has proved the key. False: another connection has, so this one is given up. */
  readonly proved?: () => boolean;
}

/**
 * Runs the client's side of version 2's handshake for a carrier of a session.
 * @throws {TtunError} auth, timeout, busy, clock, protocol, lost: with a message for the user
 */
export async function connectCarrier(
  stream: Connection,
  o: CarrierRequest,
): Promise<{ session: LinkSession; setup: ServerSetup }> {
  const { secrets, clock, offer, identity, resume } = o;
  let isLate = false;
  using _deadline = clock.after(HANDSHAKE_DEADLINE, () => {
    isLate = true;
    stream.reset();
  });
  using handshake = new ClientHandshake(handshakeConfig(secrets, offer, stream), {
    sessionIdentity: identity,
    ...(resume !== undefined && { resume }),
    pads: true,
    unixMs: secrets.wallClock,
  });
  try {
    return await meet(stream, handshake, o);
  } catch (error) {
    if (!isLate) throw error;
    throw isSuspicious(stream, handshake) ? new MitmSuspected(error) : noAnswer(stream.peer);
  }
}

async function meet(
  stream: Connection,
  handshake: ClientHandshake,
  { proved = () => true, early = () => NOTHING }: Pick<CarrierRequest, "proved" | "early">,
): Promise<{ session: LinkSession; setup: ServerSetup }> {
  await write(stream, handshake.hello());
  const buffer = new Uint8Array(BUFFER);
  for (;;) {
    const got = await readOrEnd(stream, buffer);
    if (got === null) {
      const error = ended(stream.peer, handshake.isAnswered);
      throw isSuspicious(stream, handshake) ? new MitmSuspected(error) : error;
    }
    for (const step of handshake.feed(buffer.subarray(0, got))) {
      if (step.kind === "done") return step;
      if (step.kind === "stranger") throw notVersion2(stream.peer);
      if (!proved()) throw new TtunError("lost", "Another connection has been answered first");
      const frames = early(handshake.met);
      await write(
        stream,
        frames.length === 0 ? step.bytes : concat(step.bytes, handshake.sealBehind(frames)),
      );
    }
  }
}

/** A server that has proved the key, and then says nothing, may have seen another certificate. */
function isSuspicious({ binding }: Connection, { isAnswered }: ClientHandshake): boolean {
  return binding !== undefined && isAnswered;
}

/** A reset is an end: version 1 leaves bytes of the hello unread. */
async function readOrEnd(stream: Connection, into: Uint8Array): Promise<number | null> {
  try {
    return await read(stream, into);
  } catch (error) {
    if (error instanceof TtunError && error.kind === "lost") return null;
    throw error;
  }
}

function noAnswer(to: string): TtunError {
  return new TtunError(
    "timeout",
    `Cannot authenticate with ${to}: no answer within ${
      HANDSHAKE_DEADLINE / 1000
    } s; is it a ttun ` +
      "server with this key?",
  );
}

function ended(to: string, isRightKey: boolean): TtunError {
  return isRightKey
    ? new TtunError(
      "lost",
      `Cannot use ${to}: the connection ended in the middle of the handshake, though the key is ` +
        "right; the server may have too many connections at the moment",
    )
    : new TtunError(
      "protocol",
      `Cannot authenticate with ${to}: it closed the connection without an answer; is it a ttun ` +
        "server with this key, of version 2 of the wire, which forwards need?",
    );
}

function notVersion2(to: string): TtunError {
  return new TtunError(
    "auth",
    `Cannot authenticate with ${to}: it does not speak version 2 of the wire, which forwards need, ` +
      "or its key is another",
  );
}
