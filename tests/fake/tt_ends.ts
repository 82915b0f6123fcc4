import { ScratchBuffers } from "../../src/app/net/scratch.ts";
import { FrameBuffers, TWO_TEXTS } from "../../src/app/tt/frame_buffers.ts";
import { TtConnection, type TtConnectionHost } from "../../src/app/tt/tt_connection.ts";
import type { TtStream } from "../../src/app/tt/tt_stream.ts";
import { ProtocolError } from "../../src/base/errors.ts";
import type { Stream } from "../../src/contract/stream.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import { FrameSecrets } from "../../src/core/tt/frame.ts";
import { TtKeys } from "../../src/core/tt/keys.ts";
import type { PeerKind } from "../../src/core/tt/mark.ts";
import type { NonceMemory } from "../../src/core/tt/nonce_filter.ts";
import { RandomBlock } from "../../src/core/tt/random_pool.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { FakeClock } from "./clock.ts";
import { memoryPair } from "./memory.ts";
import { seededRng } from "./rng.ts";
import { twinDecode, twinKeys, twinSeal } from "./tt_twin.ts";

const PASSWORD = "of the test";
const MINUTE = 26_173_462;

/** Keys of the minute that all streams of these tests belong to. */
export const TWIN = twinKeys("chacha20-poly1305", PASSWORD, MINUTE);

const SECRETS = new FrameSecrets({ aeadKey: TWIN.k, mask: TWIN.x }, TWIN.cipher, makePureCipher);

/** One of each for all streams, as a thread has them: what one leaves in them, the next overwrites. */
export const SCRATCH = new ScratchBuffers(TWO_TEXTS);
export const FRAMES = new FrameBuffers();

const RANDOM = new RandomBlock(seededRng(1));
let seed = 1;

/** Keys of that minute, which never end. */
const BORROWED = {
  keys: new TtKeys(utf8(PASSWORD)).at(MINUTE),
  secrets: SECRETS,
  [Symbol.dispose]: () => {},
};

export interface TtEndOptions
  extends Partial<Pick<TtConnectionHost, "clock" | "mostText" | "idle" | "owed">> {
  /** Generation that the peer has shown; null before its first frame. */
  readonly peer?: PeerKind | null;
  /** Bytes that came behind the peer's first frame. */
  readonly rest?: Uint8Array;
  readonly minute?: TtConnection["minute"];
  readonly nonces?: Pick<NonceMemory, "noteReceived" | "noteSent">;
}

/** A connection in frames of that minute. */
export function ttConnection(socket: Connection, o: TtEndOptions = {}): TtConnection {
  const host: TtConnectionHost = {
    clock: o.clock ?? new FakeClock(),
    wallClock: () => MINUTE * 60_000,
    buffers: FRAMES,
    random: RANDOM,
    mostText: o.mostText,
    paths: { add: () => {}, remove: () => {} },
    idle: o.idle ?? null,
    owed: o.owed ?? null,
    replayed: (verdict) => new ProtocolError(`Cannot trust it: ${verdict}`),
  };
  const { peer = "unmarked", rest = new Uint8Array() } = o;
  return new TtConnection(
    host,
    socket,
    o.minute ?? BORROWED,
    o.nonces ?? { noteReceived: () => "new", noteSent: () => "new" },
    peer === null ? null : { peer, rest },
  );
}

/** The first proxied connection on such a connection. */
export function ttStream(socket: Connection, o: TtEndOptions = {}): TtStream {
  return ttConnection(socket, o).begin();
}

/** Both ends of a connection in frames. */
export function ttPair(o: TtEndOptions & { capacity?: number } = {}): [TtStream, TtStream] {
  const [a, b] = memoryPair(o.capacity === undefined ? {} : { capacity: o.capacity });
  return [ttStream(a, o), ttStream(b, o)];
}

/** Bytes of which no two neighbourhoods are alike. */
export function pattern(length: number, from = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (from * 0x9e37_79b9) >>> 0 || 1; // xorshift32
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length).slice();
}

/** A frame of an existing program, whose R has so many bytes. */
export function frameOf(text: Uint8Array, random = 12): Uint8Array {
  return twinSeal(TWIN, seededRng(++seed)(random), text);
}

/** Splits bytes of a socket into frames; `ends`: end frames may be among them. */
export function framesIn(
  bytes: Uint8Array,
  ends = false,
): { text: Uint8Array; size: number; random: number }[] {
  const frames = [];
  for (let at = 0; at < bytes.length;) {
    const found = twinDecode(TWIN, bytes.subarray(at), ends);
    if (typeof found !== "object") throw new Error(`${found} at ${at} of ${bytes.length}`);
    frames.push({
      text: found.text,
      size: found.used,
      random: found.used - 19 - found.text.length,
    });
    at += found.used;
  }
  return frames;
}

/** Everything that can be read now, `size` bytes at a time; and whether the end came behind it. */
export function readNowAll(
  stream: Stream,
  size = 1 << 17,
): { bytes: Uint8Array; isEnded: boolean } {
  const into = new Uint8Array(size);
  const parts: Uint8Array[] = [];
  let got = stream.readNow(into);
  for (; got !== undefined && got !== null; got = stream.readNow(into)) {
    parts.push(into.slice(0, got));
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, isEnded: got === null };
}
