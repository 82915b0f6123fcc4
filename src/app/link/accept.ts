import type { Cidr } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";
import { packAddresses } from "../../core/link/v2/addresses.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";
import { CloseCode, PACKET_HEADER_FILLED } from "../../core/link/v2/frames.ts";
import { MAX_RECORD_TEXT } from "../../core/link/v2/record.ts";
import { suspectMitm } from "../../core/link/v2/handshake.ts";
import { ServerHandshake } from "../../core/link/v2/server_handshake.ts";
import { HELLO_SIZE, readClientHello, serverHello } from "../../core/link/v2/hello.ts";
import type { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { V1ServerHandshake } from "../../core/link/v1/handshake.ts";
import { DEAD_TIME, keepAlive } from "./keepalive.ts";
import { V1Life } from "./v1_liveness.ts";
import { V1Link } from "./v1_link.ts";
import { type DeviceFacts, V2Link } from "./v2_link.ts";
import { handshakeConfig, type PeerLink, type WireSecrets } from "./config.ts";
import { addressGroup } from "../net/half_open.ts";
import type { SlotHolder } from "./exclusive_slot.ts";
import { Stranger } from "../net/stranger.ts";

/**
 * Buffer size in bytes before the hello is verified; small, as thousands of connections may be
 * waiting.
 */
const HELLO_BUFFER = 64;

/** Buffer size in bytes after the hello: holds the client's whole second flight. */
const FLIGHT_BUFFER = 4096;

/**
 * A client whose setup is this many milliseconds later than its key message may have sent a setup
 * that does not arrive as one here: a sign of a man in the middle.
 */
const SUSPICIOUS = 5_000;

/**
 * The longest packet, in bytes, that fits one frame of either version behind its largest header.
 */
export const LONGEST_PACKET = MAX_RECORD_TEXT - PACKET_HEADER_FILLED;

/**
 * A client that has proved the key and can be admitted or refused. Owns the handshake's resources.
 */
export interface Candidate extends Disposable {
  readonly wire: "v1" | "v2";
  readonly instance?: string;
  /** The client's self-description (version 2; absent from clients older than TLV 80). */
  readonly identity?: ClientIdentity;
  /**
   * Answers with the server's proof; from then on the link owns the stream and the keys.
   * `addresses` are assigned to the client (version 2; empty = the client has its own).
   */
  admit(addresses: readonly Cidr[]): Promise<AdmittedLink>;
  /** Refuses with a reason that the client can show; in version 1 silence is the only answer. */
  refuse(words: string): Promise<void>;
}

export interface AdmittedLink extends PeerLink {
  readonly life: Pick<SlotHolder, "activity" | "probe">;
}

export interface AdmissionOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  /** Shared by all listeners of the server. */
  readonly replay: ReplayMemory;
  readonly device: DeviceFacts;
  /**
   * Called once when a hello shows the right key, as far as its bytes can tell, and is not a
   * replay.
   */
  readonly onRightHello: () => void;
}

/**
 * Runs the server's side of the handshake up to the client's proof.
 * @throws {Stranger} if the peer must not get an answer
 * @throws {TtunError} auth, protocol, lost: close the connection
 */
export async function acceptLink(stream: Connection, o: AdmissionOptions): Promise<Candidate> {
  const { mode, s, wallClock } = o.secrets;
  const bytes = new Uint8Array(HELLO_BUFFER);
  let have = 0;
  while (have < HELLO_SIZE) have += await readSome(stream, bytes.subarray(have));
  const hello = bytes.slice(0, HELLO_SIZE);
  const behind = bytes.slice(HELLO_SIZE, have);
  const found = mode === "v1" ? null : readClientHello(s, hello, wallClock());
  if (found === null) {
    if (mode === "v2") {
      throw new Stranger("no hello of version 2: another key, version 1, or a stranger");
    }
    return await meetV1(stream, hello, behind, o);
  }
  const isNew = !found.isStale &&
    o.replay.isNew(hello.subarray(0, 8), wallClock(), addressGroup(stream.remote));
  if (isNew) {
    o.onRightHello();
    return await meetV2(stream, hello, behind, found.padding, o);
  }
  // The key is right, so the client speaks version 2 and must not be downgraded. The answer lets an
  // honest client see the server's time.
  if (mode === "auto") await stream.write(serverHello(s, hello, o.secrets.rng(8), wallClock()));
  throw new Stranger(
    found.isStale
      ? `its clock is ${Math.abs(found.skewSeconds)} s ${
        found.skewSeconds > 0 ? "ahead of" : "behind"
      } ours`
      : "its hello was seen before: a replay",
  );
}

async function meetV1(
  stream: Connection,
  hello: Uint8Array,
  behind: Uint8Array,
  { secrets }: AdmissionOptions,
): Promise<Candidate> {
  await using stack = new AsyncDisposableStack();
  const nonce = secrets.rng(HELLO_SIZE);
  const handshake = stack.use(new V1ServerHandshake({ ...secrets.v1, nonce }));
  const buffer = new Uint8Array(HELLO_BUFFER);
  let chunk: Uint8Array = new Uint8Array([...hello, ...behind]);
  for (;;) {
    for (const step of feedV1(handshake, chunk, secrets.mode)) {
      if (step.kind === "send") await stream.write(step.bytes);
      else if (step.kind === "authenticated") {
        const owned = stack.move();
        return {
          wire: "v1",
          admit: async () => {
            const { proof, session } = handshake.accept();
            await using unsent = new AsyncDisposableStack();
            const link = unsent.use(new V1Link(stream, session));
            const life = new V1Life(link);
            await stream.write(proof);
            unsent.move();
            return { wire: "v1", link, life };
          },
          refuse: () => Promise.resolve(),
          [Symbol.dispose]: () => startClose(owned),
        };
      }
    }
    chunk = buffer.subarray(0, await readSome(stream, buffer));
  }
}

/**
 * In `auto`, a peer that sends no valid version 1 proof is a stranger and gets no answer: after a
 * recorded hello, a refusal would distinguish that hello from random bytes.
 */
function feedV1(handshake: V1ServerHandshake, chunk: Uint8Array, mode: WireSecrets["mode"]) {
  try {
    return handshake.feed(chunk);
  } catch (error) {
    if (mode === "auto" && error instanceof TtunError && error.kind !== "internal") {
      throw new Stranger(error.message);
    }
    throw error;
  }
}

async function meetV2(
  stream: Connection,
  hello: Uint8Array,
  behind: Uint8Array,
  padding: number,
  o: AdmissionOptions,
): Promise<Candidate> {
  using stack = new DisposableStack();
  const { secrets, clock } = o;
  const { rng, rekey } = secrets;
  const handshake = stack.use(
    new ServerHandshake(handshakeConfig(secrets, o.device.takes), {
      hello,
      padding,
      unixMs: secrets.wallClock(),
    }),
  );
  await stream.write(handshake.answer());
  const buffer = new Uint8Array(FLIGHT_BUFFER);
  let setup = feedV2(handshake, behind);
  let halfDoneAt: number | null = null;
  while (setup === null) {
    if (handshake.isHalfDone) halfDoneAt ??= clock.now();
    const got = await readSome(stream, buffer).catch((error) => {
      const isSuspicious = halfDoneAt !== null && clock.now() - halfDoneAt >= SUSPICIOUS;
      throw isSuspicious ? suspectMitm(error) : error;
    });
    setup = feedV2(handshake, buffer.subarray(0, got));
  }
  o.replay.complete(hello.subarray(0, 8), secrets.wallClock(), addressGroup(stream.remote));
  const instance = toHex(setup.instance);
  const isResume = setup.resume !== undefined;
  const owned = stack.move();
  return {
    wire: "v2",
    instance,
    ...(setup.identity !== undefined && { identity: setup.identity }),
    admit: async (addresses) => {
      if (isResume) {
        // A tunnel session cannot be resumed; the client starts a new one at once.
        await stream.write(handshake.refuse(CloseCode.unknownSession, "unknown session"));
        throw new TtunError("lost", "The client came back to a session that is not known here");
      }
      const { bytes, session } = handshake.accept(
        addresses.length === 0 ? {} : { addresses: packAddresses(addresses) },
      );
      await using unsent = new AsyncDisposableStack();
      const link = unsent.use(
        new V2Link(stream, session, { clock, rng, rekey, device: o.device }),
      );
      await stream.write(bytes);
      unsent.move();
      const { channel } = link;
      return {
        wire: "v2",
        link,
        life: { activity: () => channel.heard, probe: () => channel.ping() },
        watch: (signal) => keepAlive(channel, { clock, rng, deadTimeMs: DEAD_TIME * 1000, signal }),
        rttMs: () => channel.rttMs,
        tellSegmentSize: (size) => channel.tellSegmentSize(size),
      };
    },
    refuse: async (words) => {
      await stream.write(handshake.refuse(CloseCode.busy, words));
      await stream.closeWrite();
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** A peer that does not prove the key is a stranger, whatever the reason. */
function feedV2(
  handshake: ServerHandshake,
  chunk: Uint8Array,
): ReturnType<ServerHandshake["feed"]> {
  try {
    return handshake.feed(chunk);
  } catch (error) {
    if (error instanceof TtunError && error.kind !== "internal") throw new Stranger(error.message);
    throw error;
  }
}

/**
 * Reads at least one byte and returns the number of bytes.
 * @throws {TtunError} `lost` at the peer's FIN
 */
async function readSome(stream: Connection, into: Uint8Array): Promise<number> {
  const got = await stream.read(into);
  if (got === null) throw new TtunError("lost", "The connection ended before the handshake did");
  return got;
}
