import type { HostPort } from "../../base/addr.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import {
  packBindingRequest,
  readBindingResponse,
  STUN_HEADER,
  STUN_TRANSACTION,
  stunSize,
} from "../../core/stun/message.ts";
import { read, write } from "../loop/stream_io.ts";

export interface StunQuestion {
  readonly rng: Rng;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/**
 * Asks a server where the stream comes from. A server that does not answer in time has its stream
 * reset. @throws {TtunError} protocol, lost, timeout
 */
export async function askStun(
  stream: Stream,
  { rng, clock, timeoutMs }: StunQuestion,
): Promise<HostPort> {
  const transaction = rng(STUN_TRANSACTION);
  let isLate = false;
  using _timer = clock.after(timeoutMs, () => {
    isLate = true;
    stream.reset();
  });
  try {
    await write(stream, packBindingRequest(transaction));
    const answer = await readStunMessage(stream);
    if (answer !== null) return readBindingResponse(answer, transaction);
  } catch (error) {
    if (!isLate) throw error;
    const words = "Cannot learn the public address: no answer from the STUN server within " +
      `${timeoutMs / 1000} s; is it one that speaks TCP?`;
    throw new TtunError("timeout", words);
  }
  throw new ProtocolError("Cannot learn the public address: the STUN server has not answered");
}

/** Reads a whole message; null if the stream ends before one begins. @throws {TtunError} */
export async function readStunMessage(stream: Stream): Promise<Uint8Array | null> {
  const header = new Uint8Array(STUN_HEADER);
  if (!await fill(stream, header)) return null;
  const message = new Uint8Array(stunSize(header));
  message.set(header);
  if (await fill(stream, message.subarray(STUN_HEADER))) return message;
  throw new ProtocolError("Cannot read the message: it is cut short");
}

/** Returns false if the stream ends before the first byte of some. */
async function fill(stream: Stream, into: Uint8Array): Promise<boolean> {
  for (let at = 0; at < into.length;) {
    const got = await read(stream, into.subarray(at));
    if (got === null && at === 0) return false;
    if (got === null) throw new ProtocolError("Cannot read the message: it is cut short");
    at += got;
  }
  return true;
}
