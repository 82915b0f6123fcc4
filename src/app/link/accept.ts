import { concat } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { PACKET_HEADER_FILLED } from "../../core/link/v2/frames.ts";
import {
  HELLO_SIZE,
  MAX_HELLO_PADDING,
  readClientHello,
  serverHello,
} from "../../core/link/v2/hello.ts";
import { MAX_RECORD_TEXT } from "../../core/link/v2/record.ts";
import { addressGroup } from "../net/address_group.ts";
import { Stranger } from "../net/stranger.ts";
import { acceptV1 } from "./accept_v1.ts";
import { acceptV2 } from "./accept_v2.ts";
import { type AdmissionOptions, type Candidate, readSome } from "./candidate.ts";
import { readable, write } from "../loop/stream_io.ts";
import type { WireSecrets } from "./config.ts";
import type { FirstBytes } from "./first_bytes.ts";
import type { FoundKey } from "./key_ring.ts";

/** Buffer size before the hello is verified: small, as thousands of peers may wait. */
const HELLO_BUFFER = 64;

/** Bytes of the longest packet that one frame of either version holds. */
export const LONGEST_PACKET = MAX_RECORD_TEXT - PACKET_HEADER_FILLED;

/**
 * Runs the server's side of the handshake up to the client's proof.
 * @throws {Stranger} if the peer must get no answer; {TtunError} auth, protocol, lost
 */
export async function acceptLink(stream: Connection, o: AdmissionOptions): Promise<Candidate> {
  const first = await acceptHello(stream, o);
  return first.padding === null
    ? await acceptV1(stream, first.hello, first.behind, o)
    : await acceptV2(stream, first, first.padding, o);
}

/** Reads a client's hello. @throws as `acceptLink` */
export async function acceptHello(
  stream: Connection,
  o: Omit<AdmissionOptions, "device">,
): Promise<FirstBytes> {
  const { mode } = o.secrets;
  const bytes = new Uint8Array(HELLO_BUFFER);
  let have = 0;
  while (have < HELLO_SIZE) have += await readSome(stream, bytes.subarray(have));
  const hello = bytes.slice(0, HELLO_SIZE);
  let behind: Uint8Array = bytes.slice(HELLO_SIZE, have);
  const more = (bytes: Uint8Array) => {
    behind = concat(behind, bytes);
  };
  const found = mode === "v1" ? null : await findKey(stream, hello, o.secrets, more);
  if (found === null) {
    if (mode === "v2") {
      throw new Stranger("no hello of version 2: another key, version 1, or a stranger");
    }
    return { hello, behind, padding: null, secrets: o.secrets, key: "" };
  }
  const secrets = { ...o.secrets, s: found.s };
  const padding = await welcome(stream, hello, found, { ...o, secrets });
  const { name: key, revoked } = found;
  return { hello, behind, padding, secrets, key, ...(revoked !== undefined && { revoked }) };
}

/**
 * Returns the key that a hello is right for, as soon as that is known; null = there is none. `more`
 * takes bytes that come meanwhile.
 * @throws {Stranger} if too many come; {TtunError} lost
 */
async function findKey(
  stream: Connection,
  hello: Uint8Array,
  { keys, s, wallClock }: WireSecrets,
  more: (bytes: Uint8Array) => void,
): Promise<(Pick<FoundKey, "hello" | "name" | "s"> & Partial<FoundKey>) | null> {
  if (keys === undefined) {
    const found = readClientHello(s, hello, wallClock());
    return found && { hello: found, name: "", s };
  }
  using search = keys.search(hello, addressGroup(stream.remote));
  const bytes = new Uint8Array(HELLO_BUFFER);
  for (let have = 0;;) {
    const found = search.find(wallClock());
    if (found !== undefined) return found;
    const got = stream.readNow(bytes);
    if (got === null) throw new TtunError("lost", "The connection ended before the handshake did");
    if (got === undefined) {
      await Promise.race([readable(stream), search.changed()]);
      continue;
    }
    have += got;
    if (have > MAX_HELLO_PADDING) throw new Stranger("more bytes than belong to a hello");
    more(bytes.subarray(0, got));
  }
}

/** Judges a hello of the right key, and returns the bytes of padding behind it. Throws as `acceptLink`. */
export async function welcome(
  stream: Connection,
  hello: Uint8Array,
  { hello: found, name, use }: Pick<FoundKey, "hello" | "name"> & Partial<FoundKey>,
  { secrets, replay, onRightHello }: Pick<AdmissionOptions, "secrets" | "replay" | "onRightHello">,
): Promise<number> {
  const { mode, s, rng, wallClock } = secrets;
  const isNew = !found.isStale &&
    replay.isNew(hello.subarray(0, 8), wallClock(), addressGroup(stream.remote), name);
  if (isNew) {
    use?.();
    onRightHello();
    return found.padding;
  }
  // The key is right: no downgrade. The answer lets an honest client see the server's time.
  if (mode === "auto") await write(stream, serverHello(s, hello, rng(8), wallClock()));
  throw new Stranger(
    found.isStale
      ? `its clock is ${Math.abs(found.skewSeconds)} s ${
        found.skewSeconds > 0 ? "ahead of" : "behind"
      } ours`
      : "its hello was seen before: a replay",
  );
}
