import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { OPENED, OpenKind, Refusal } from "../../core/mux/frames.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import { MuxServer } from "../mux/mux_server.ts";
import { sleep } from "../loop/sleep.ts";
import {
  otherKey,
  peerLost,
  type PeerSessionOptions,
  PIPE,
  PIPE_END,
  pipeScope,
  retryBroken,
} from "./peer_session.ts";

/** Milliseconds for the client to end the session, when all is done. */
const FAREWELL_MS = 3000;

/**
 * Carries bytes between standard input and output and a peer that comes to this end, until both ways
 * have ended and each end has written all that came.
 * @throws {TtunError} auth, unreachable, lost; the signal's reason
 */
export async function runPeerServer(o: PeerSessionOptions): Promise<void> {
  await retryBroken(o, (proved) => runOnce(o, proved));
}

async function runOnce(o: PeerSessionOptions, proved: () => void): Promise<void> {
  const { stdio, reach, keepMs, clock, log, secrets, onUp } = o;
  await pipeScope(o, ({ tasks, relays, stack, beforeEnd }) => {
    const opened = Promise.withResolvers<MuxStream>();
    const ended = Promise.withResolvers<MuxStream>();
    let isUp = false;
    const asked: Record<string, PromiseWithResolvers<MuxStream>> = {
      [PIPE]: opened,
      [PIPE_END]: ended,
    };
    const server = stack.use(
      new MuxServer({
        secrets,
        clock,
        log,
        keepMs,
        signal: tasks.signal,
        onOpened: (stream, { kind, service = "" }) => {
          const asking = kind === OpenKind.service ? asked[service] : undefined;
          if (asking === undefined) return stream.answer(Refusal.notSupported, null);
          delete asked[service];
          asking.resolve(stream);
        },
        onRejected: (error) => {
          if (isUp || error.kind === "lost") return;
          tasks.spawn(() => Promise.reject(otherKey(error)));
        },
      }),
    );
    beforeEnd(() => server.sessions.sayGoingDown());
    let isDone = false;
    const connections = async (signal: AbortSignal): Promise<void> => {
      do {
        await server.serve(await reach(signal));
        if (isDone) return;
      } while (isUp && keepMs > 0);
      throw isUp ? peerLost() : new TtunError("lost", "Lost the connection with the peer at once");
    };
    tasks.spawn(async (signal) => {
      await connections(signal);
      tasks.cancel();
    });
    tasks.spawn(async (signal) => {
      const stream = await abortable(opened.promise, signal);
      isUp = true;
      proved();
      onUp();
      stream.answer(OPENED, null);
      await relays.run(stdio, stream);
      const end = await abortable(ended.promise, signal);
      isDone = true;
      end.answer(OPENED, null);
      await sleep(clock, FAREWELL_MS, signal);
      tasks.cancel();
    });
  });
}
