import type { Cidr } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { packAddresses } from "../../core/link/v2/addresses.ts";
import {
  NOTHING_PUSHED,
  packNameServers,
  packRoutes,
  type PushedSettings,
} from "../../core/link/v2/pushed.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { MitmSuspected } from "../../core/link/v2/handshake.ts";
import { ServerHandshake } from "../../core/link/v2/server_handshake.ts";
import { Capability, type Offer, type ServerSetup } from "../../core/link/v2/setup.ts";
import { addressGroup } from "../net/address_group.ts";
import { Stranger } from "../net/stranger.ts";
import type { FirstBytes } from "./first_bytes.ts";
import { type AdmissionOptions, type Candidate, type ProvedClient, readSome } from "./candidate.ts";
import { handshakeConfig, packetOffer } from "./config.ts";
import { drained } from "./drained.ts";
import { DEAD_TIME, keepAlive } from "./keepalive.ts";
import { sayRefusal } from "./say_refusal.ts";
import { V2Link } from "./v2_link.ts";
import { write } from "../loop/stream_io.ts";

/** Buffer size after the hello: holds the client's whole second flight. */
const FLIGHT_BUFFER = 4096;

/** Milliseconds from the key message without a valid setup: a sign of a man in the middle. */
const SUSPICIOUS = 5_000;

/** The first bytes are a hello that is right and new, and announces `padding`. */
export async function acceptV2(
  stream: Connection,
  first: FirstBytes,
  padding: number,
  o: AdmissionOptions,
): Promise<Candidate> {
  const { clock } = o;
  const { key, secrets } = first;
  const { rng, rekey } = secrets;
  const { offer = packetOffer(o.device.takes) } = o;
  const proved = await proveClient(stream, first, padding, o, offer);
  const { handshake, setup, revoked } = proved;
  const instance = toHex(setup.instance);
  const isResume = setup.resume !== undefined;
  const isForStreams = (setup.capabilities & Capability.tun) === 0;
  const wantsBoth = !isForStreams && (setup.capabilities & Capability.streams) !== 0;
  return {
    wire: "v2",
    instance,
    key,
    ...(revoked !== undefined && { revoked }),
    ...(isForStreams && { streams: proved }),
    ...(wantsBoth && { both: proved }),
    ...(setup.identity !== undefined && { identity: setup.identity }),
    admit: async (addresses, answered) => {
      if (isResume && answered === undefined) {
        // Packets alone have nothing to go on with; the client starts a new session at once.
        const words = "unknown session";
        await sayRefusal(stream, handshake.refuse(CloseCode.unknownSession, words), clock);
        throw new TtunError("lost", "The client came back to a session that is not known here");
      }
      const { bytes, session } = answered ?? handshake.accept(setupFor(addresses, o.pushed));
      await using unsent = new AsyncDisposableStack();
      const link = unsent.use(
        new V2Link(stream, session, { clock, rng, rekey, device: o.device }),
      );
      await write(stream, bytes);
      unsent.move();
      const { channel } = link;
      return {
        wire: "v2",
        cipher: session.cipher,
        link,
        v2: link,
        life: { activity: () => channel.heard, probe: () => channel.ping() },
        watch: (signal) => keepAlive(channel, { clock, rng, deadTimeMs: DEAD_TIME * 1000, signal }),
        drained: (signal) => drained(channel, { clock, signal }),
        rttMs: () => channel.rttMs,
        tellSegmentSize: (size) => channel.tellSegmentSize(size),
      };
    },
    refuse: (words) => sayRefusal(stream, handshake.refuse(CloseCode.busy, words), clock),
    [Symbol.dispose]: () => handshake[Symbol.dispose](),
  };
}

/** The server's setup for a client that has these addresses assigned. */
export function setupFor(
  addresses: readonly Cidr[],
  { routes, nameServers }: PushedSettings = NOTHING_PUSHED,
): Omit<ServerSetup, "resume"> {
  return {
    ...(addresses.length > 0 && { addresses: packAddresses(addresses) }),
    ...(routes.length > 0 && { routes: packRoutes(routes) }),
    ...(nameServers.length > 0 && { nameServers: packNameServers(nameServers) }),
  };
}

/**
 * Answers the hello and waits for the client's proof.
 * @throws {Stranger} if the peer must get no answer; {TtunError} auth, lost
 */
export async function proveClient(
  stream: Connection,
  { hello, behind, secrets, key, revoked }: Omit<FirstBytes, "padding">,
  padding: number,
  o: Pick<AdmissionOptions, "clock" | "replay">,
  offer: Offer,
): Promise<ProvedClient> {
  using stack = new DisposableStack();
  const { clock } = o;
  const handshake = stack.use(
    new ServerHandshake(handshakeConfig(secrets, offer, stream), {
      hello,
      padding,
      unixMs: secrets.wallClock(),
    }),
  );
  await write(stream, handshake.answer());
  const buffer = new Uint8Array(FLIGHT_BUFFER);
  let setup = feedV2(handshake, behind);
  let halfDoneAt: number | null = null;
  while (setup === null) {
    if (handshake.isHalfDone) halfDoneAt ??= clock.now();
    const got = await readSome(stream, buffer).catch((error) => {
      const isSuspicious = halfDoneAt !== null && clock.now() - halfDoneAt >= SUSPICIOUS;
      throw isSuspicious ? new MitmSuspected(error) : error;
    });
    setup = feedV2(handshake, buffer.subarray(0, got));
  }
  o.replay.complete(hello.subarray(0, 8), secrets.wallClock(), addressGroup(stream.remote), key);
  const turnedAway = secrets.guard?.(setup.instance) ?? null;
  if (turnedAway !== null) {
    const { code, words } = turnedAway;
    await sayRefusal(stream, handshake.refuse(code, words), clock);
    throw new TtunError("auth", `Turned away: ${words}`);
  }
  if (revoked?.aborted === true) throw new Stranger(toTtunError(revoked.reason).message);
  stack.move();
  return { handshake, setup, key, ...(revoked !== undefined && { revoked }) };
}

function feedV2(
  handshake: ServerHandshake,
  chunk: Uint8Array,
): ReturnType<ServerHandshake["feed"]> {
  try {
    return handshake.feed(chunk);
  } catch (error) {
    if (error instanceof TtunError && error.kind !== "internal") {
      throw new Stranger(error.message, { cause: error });
    }
    throw error;
  }
}
