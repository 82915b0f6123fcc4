import { concat } from "../../src/base/bytes.ts";
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
