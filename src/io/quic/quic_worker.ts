import { openLibc } from "../../../ffi/linux/libc.ts";
import { WAKE } from "../../../ffi/linux/epoll.ts";
import { duplicate } from "../../../ffi/linux/inherited.ts";
import { QuicEngine } from "./engine.ts";
import type { QuicCommand, QuicEvent } from "./messages.ts";

/** First message to the Worker in which Deno's event loop runs for QUIC. */
export interface QuicWorkerInit {
  readonly port: MessagePort;
  /** Written to when there are events; null = they arrive by themselves. */
  readonly wakeFd: number | null;
  /** 1 in its first number: that was written to, and the events have not been fetched yet. */
  readonly isWoken: SharedArrayBuffer;
  /** Its first number becomes 1 at the beginning, and grows with each command that was taken. */
  readonly taken: SharedArrayBuffer;
}

addEventListener("message", (event) => serve((event as MessageEvent<QuicWorkerInit>).data));

function serve({ port, wakeFd, isWoken, taken }: QuicWorkerInit): void {
  const libc = wakeFd === null ? null : openLibc();
  // A copy of its own: the other thread may close its own at any time.
  const fd = libc === null ? -1 : duplicate(libc, wakeFd!);
  const woken = new Int32Array(isWoken);
  const count = new Int32Array(taken);
  const engine = new QuicEngine((event: QuicEvent) => {
    port.postMessage(event);
    if (libc !== null && Atomics.exchange(woken, 0, 1) === 0) libc.write(fd, WAKE);
    if (event.kind !== "stopped") return;
    libc?.close(fd);
    libc?.[Symbol.dispose]();
    port.close();
  });
  port.onmessage = ({ data: command }: MessageEvent<QuicCommand>) => {
    engine.take(command);
    Atomics.add(count, 0, 1);
    Atomics.notify(count, 0);
  };
  Atomics.add(count, 0, 1);
  Atomics.notify(count, 0);
}
