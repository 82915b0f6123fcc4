import { concat } from "../../src/base/bytes.ts";
import type { Clock } from "../../src/contract/host.ts";
import type { Stream } from "../../src/contract/stream.ts";
import { read, write } from "../../src/app/loop/stream_io.ts";

/** Reads to the peer's end. */
export async function readAll(from: Stream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const into = new Uint8Array(65_536);
  for (;;) {
    const got = await read(from, into);
    if (got === null) return concat(...parts);
    parts.push(into.slice(0, got));
  }
}

/** Answers with all that it has read, once that has ended. */
export async function echoAll(stream: Stream): Promise<void> {
  await write(stream, await readAll(stream));
  await stream.closeWrite();
}

/** Sends back what it reads, some kilobytes at a time: it takes 20 s for a megabyte. */
export function slowEcho(clock: Clock): (stream: Stream) => Promise<void> {
  return async (stream) => {
    const into = new Uint8Array(5000);
    for (let got; (got = await read(stream, into)) !== null;) {
      await write(stream, into.slice(0, got));
      await new Promise<void>((resolve) => void clock.after(100, resolve));
    }
    await stream.closeWrite();
  };
}
