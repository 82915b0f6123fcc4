import { ProtocolError } from "../../base/errors.ts";
import type { Stream } from "../../contract/stream.ts";
import { bodySize, MEETING_HEADER } from "../../core/meet/messages.ts";
import { read } from "../loop/stream_io.ts";

/**
 * Reads the next message that `parse` knows, and no byte behind it; null if the stream ends before
 * one begins. @throws {TtunError}
 */
export async function readMessage<T>(
  stream: Stream,
  parse: (type: number, body: Uint8Array) => T | null,
): Promise<T | null> {
  for (;;) {
    const header = new Uint8Array(MEETING_HEADER);
    if (!await fill(stream, header)) return null;
    const body = new Uint8Array(bodySize(header));
    if (!await fill(stream, body)) throw cutShort();
    const message = parse(header[0]!, body);
    if (message !== null) return message;
  }
}

/** Returns false if the stream ends before the first byte of some. */
async function fill(stream: Stream, into: Uint8Array): Promise<boolean> {
  for (let at = 0; at < into.length;) {
    const got = await read(stream, into.subarray(at));
    if (got === null && at === 0) return false;
    if (got === null) throw cutShort();
    at += got;
  }
  return true;
}

function cutShort(): ProtocolError {
  return new ProtocolError("Cannot read a meeting's message: it is cut short");
}
