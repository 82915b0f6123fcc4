import type { Clock } from "../../src/contract/host.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { concat } from "../../src/base/bytes.ts";

const EVERY_MS = 10;

/**
 * Gives a stream a send buffer, as a kernel's socket has: it takes every write at once, and the bytes
 * leave by `rate` (asked for each time) every 10 ms. FIN and close wait for them; a reset drops them.
 */
export function withSendBuffer(stream: Connection, clock: Clock, rate: () => number): Connection {
  const writeNow = stream.writeNow.bind(stream);
  const closeWrite = stream.closeWrite.bind(stream);
  const reset = stream.reset.bind(stream);
  const close = stream[Symbol.asyncDispose].bind(stream);
  let buffer: Uint8Array = new Uint8Array();
  let behind: "nothing" | "FIN" | "close" = "nothing";
  let timer: Disposable | null = null;

  const leave = () => {
    timer = null;
    buffer = buffer.slice(writeNow(buffer.subarray(0, rate())));
    if (buffer.length > 0) timer = clock.after(EVERY_MS, leave);
    else if (behind === "FIN") void closeWrite();
    else if (behind === "close") void close();
  };
  stream.writeNow = (bytes) => {
    stream.setOptions({}); // throws where it has been closed
    if (behind !== "nothing") throw new Error("Cannot write behind the end");
    buffer = concat(buffer, bytes);
    timer ??= clock.after(EVERY_MS, leave);
    return bytes.length;
  };
  stream.closeWrite = () => {
    behind = "FIN";
    if (buffer.length === 0) return closeWrite();
  };
  stream.reset = () => {
    timer?.[Symbol.dispose]();
    buffer = new Uint8Array();
    reset();
  };
  stream[Symbol.asyncDispose] = async () => {
    behind = "close";
    if (buffer.length === 0) await close();
  };
  return stream;
}
