import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import { OPENED } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { read, write } from "../loop/stream_io.ts";

/** SOCKS5 reply (RFC 1928 section 6) to a service that this end does not know. */
const NOT_SUPPORTED = 7;

const CHUNK = 64 * 1024;

/** First byte of a speed test: what the client wants of the server. */
export const SpeedtestWish = { send: 0, receive: 1 } as const;

/** Answers a stream to one of ttun's own services (docs/wire/link-v2.md, "Services"). */
export function serveOwnService(stream: MuxStream, name: string | undefined): void {
  const serve = name === "echo" ? echo : name === "speedtest" ? speedtest : null;
  if (serve === null) return stream.answer(NOT_SUPPORTED, null);
  stream.answer(OPENED, null);
  serve(stream).catch((error) => {
    if (!(error instanceof TtunError)) throw error; // a mistake; else the stream was reset
  }).finally(() => startClose(stream));
}

async function echo(stream: MuxStream): Promise<void> {
  const bytes = new Uint8Array(CHUNK);
  for (let got; (got = await read(stream, bytes)) !== null;) {
    await write(stream, bytes.subarray(0, got));
  }
  await stream.closeWrite();
}

/** Sends zeros until the client resets the stream, or takes what comes and says how much it was. */
async function speedtest(stream: MuxStream): Promise<void> {
  const bytes = new Uint8Array(CHUNK);
  const got = await read(stream, bytes.subarray(0, 1));
  if (got === null) return;
  if (bytes[0] === SpeedtestWish.send) {
    bytes[0] = 0;
    for (;;) await write(stream, bytes);
  }
  let count = 0;
  for (let got; (got = await read(stream, bytes)) !== null;) count += got;
  const answer = new DataView(new ArrayBuffer(8));
  answer.setBigUint64(0, BigInt(count));
  await write(stream, new Uint8Array(answer.buffer));
  await stream.closeWrite();
}
