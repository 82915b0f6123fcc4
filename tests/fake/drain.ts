import { setImmediate as macrotask } from "node:timers/promises";
import { concat } from "../../src/base/bytes.ts";
import type { Stream } from "../../src/contract/stream.ts";
import { read } from "../../src/app/loop/stream_io.ts";

/** Reads what is there and what comes, at most `size` bytes at a time, until nothing more does. */
export async function drain(from: Stream, size = 1 << 20): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let over = false;
  const take = async () => {
    const into = new Uint8Array(size);
    while (!over) {
      const got = await read(from, into);
      if (got === null) return;
      parts.push(into.slice(0, got));
    }
  };
  take().catch(() => {}); // how it ends is not asked here
  for (let quiet = 0, seen = -1; quiet < 3;) {
    await macrotask();
    quiet = parts.length === seen ? quiet + 1 : 0;
    seen = parts.length;
  }
  over = true;
  return concat(...parts);
}
