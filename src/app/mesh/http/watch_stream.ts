import { utf8 } from "../../../base/bytes.ts";
import { MeshError, type MeshStore, type WatchedChange } from "../../../contract/mesh_store.ts";
import type { Clock } from "../../../contract/host.ts";
import { plainEntry } from "./entry_json.ts";

/** Milliseconds after which a comment tells that the connection lives. */
const BEAT = 15_000;

/** Events that may wait for a slow reader. */
const MOST_WAITING = 1024;

/**
 * Writes changes as server-sent events: the id is the cursor, `reset` tells that some are missing. A
 * reader that is too slow is cut off, and goes on with its Last-Event-ID.
 */
export function watchStream(
  store: MeshStore,
  prefix: string,
  o: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly from: string | undefined;
    readonly ended: () => void;
  },
): ReadableStream<Uint8Array> {
  const stop = new AbortController();
  const signal = AbortSignal.any([o.signal, stop.signal]);
  let beat: Disposable | null = null;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (text: string) => {
        if ((controller.desiredSize ?? 0) <= -MOST_WAITING) stop.abort();
        else controller.enqueue(utf8(text));
      };
      const beatOn = () => {
        beat = o.clock.after(BEAT, () => {
          if (signal.aborted) return;
          send(": alive\n\n");
          beatOn();
        });
      };
      send(": watching\n\n");
      beatOn();
      // The stream is returned at once, while changes come for as long as it is read.
      void pump(store, prefix, { signal, from: o.from, send }).finally(() => {
        beat?.[Symbol.dispose]();
        o.ended();
        try {
          controller.close();
        } catch {
          // The reader has gone, and the stream with it.
        }
      });
    },
    cancel: () => stop.abort(),
  });
}

async function pump(
  store: MeshStore,
  prefix: string,
  { signal, from, send }: {
    readonly signal: AbortSignal;
    readonly from: string | undefined;
    readonly send: (text: string) => void;
  },
): Promise<void> {
  try {
    const changes = store.watch(prefix, { signal, ...(from !== undefined && { from }) });
    for await (const change of changes) send(eventOf(change));
  } catch (error) {
    if (signal.aborted) return;
    const message = error instanceof MeshError ? error.message : "The watch has failed";
    send(`event: error\ndata: ${JSON.stringify({ error: message })}\n\n`);
  }
}

function eventOf(change: WatchedChange): string {
  const id = change.cursor === undefined ? "" : `id: ${change.cursor}\n`;
  const data = change.kind === "put"
    ? plainEntry(change.entry)
    : change.kind === "delete"
    ? { key: change.key }
    : {};
  return `${id}event: ${change.kind}\ndata: ${JSON.stringify(data)}\n\n`;
}
