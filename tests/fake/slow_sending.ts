import type { Clock } from "../../src/contract/host.ts";
import type { Connection, SocketOptions } from "../../src/contract/connection.ts";
import type { OnReady } from "../../src/contract/stream.ts";
import { concat } from "../../src/base/bytes.ts";

const EVERY_MS = 1;

/**
 * Gives a stream the sending side of a slow path: it takes as many bytes as it may keep unsent, and
 * these leave at a rate. FIN waits for them; a reset and a close drop them.
 */
export function withSlowSending(
  stream: Connection,
  clock: Clock,
  bytesPerMs: number,
): Connection {
  const writeNow = stream.writeNow.bind(stream);
  const closeWrite = stream.closeWrite.bind(stream);
  const setOptions = stream.setOptions.bind(stream);
  const reset = stream.reset.bind(stream);
  const close = stream[Symbol.asyncDispose].bind(stream);
  let unsent: Uint8Array = new Uint8Array();
  let most = 256 * 1024;
  let hasEnded = false;
  let timer: Disposable | null = null;
  let waiting: OnReady | null = null;

  const leave = () => {
    timer = null;
    try {
      unsent = unsent.slice(writeNow(unsent.subarray(0, bytesPerMs * EVERY_MS)));
    } catch {
      return drop(); // it is closed
    }
    if (unsent.length > 0) timer = clock.after(EVERY_MS, leave);
    else if (hasEnded) void closeWrite();
    if (unsent.length < most) wake();
  };
  const wake = () => {
    const run = waiting;
    waiting = null;
    run?.();
  };
  const drop = () => {
    timer?.[Symbol.dispose]();
    timer = null;
    unsent = new Uint8Array();
    wake();
  };
  stream.writeNow = (bytes) => {
    setOptions({}); // throws where it has been closed
    const took = bytes.slice(0, Math.max(0, most - unsent.length));
    unsent = concat(unsent, took);
    if (unsent.length > 0) timer ??= clock.after(EVERY_MS, leave);
    return took.length;
  };
  stream.onWritable = (run) => void (waiting = run);
  stream.setOptions = (o: SocketOptions) => {
    most = o.unsentBytes ?? most;
    return setOptions(o);
  };
  stream.closeWrite = () => {
    hasEnded = true;
    if (unsent.length === 0) return closeWrite();
  };
  stream.reset = () => {
    reset();
    drop();
  };
  stream[Symbol.asyncDispose] = async () => {
    await close();
    drop();
  };
  return stream;
}
