import { plainError, TtunError } from "../../base/errors.ts";
import { WAKE } from "../../../ffi/linux/epoll.ts";
import { duplicate } from "../../../ffi/linux/inherited.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import type { Tox } from "../../../ffi/tox/tox.ts";
import type { ToxSettings } from "../../../ffi/tox/tox_types.ts";
import { openToxcore, type Toxcore } from "../../../ffi/tox/toxcore.ts";
import { RecordRing } from "./record_ring.ts";
import { FLAG, type ToxOpened, type ToxWorkerInit } from "./thread_start.ts";
import { ToxEngine } from "./tox_engine.ts";

addEventListener("message", (event) => serve((event as MessageEvent<ToxWorkerInit>).data));

/** Runs until it is told to stop. No event loop is needed here: the thread sleeps by itself. */
function serve({ port, wakeFd, flags: memory, program, settings, ...rings }: ToxWorkerInit): void {
  const flags = new Int32Array(memory);
  const answer = (opened: ToxOpened) => {
    port.postMessage(opened);
    Atomics.store(flags, FLAG.opened, 1);
    Atomics.notify(flags, FLAG.opened);
  };
  using opened = new DisposableStack();
  let engine: ToxEngine;
  const reports = new RecordRing(rings.reports);
  try {
    const toxcore = opened.use(openToxcore(Deno.build.os, program));
    const tox = openTox(toxcore, settings);
    const { address, savedata, udpPort, sizes } = tox;
    const commands = new RecordRing(rings.commands);
    engine = new ToxEngine({ tox, commands, reports, now: () => performance.now() });
    answer({ facts: { version: toxcore.version, sizes, address, savedata, udpPort } });
  } catch (error) {
    return answer({ error: plainError(error) });
  }
  const tell = opened.use(new Teller(wakeFd, port));
  for (;;) {
    const seen = Atomics.load(flags, FLAG.commands);
    const pause = engine.step();
    if (!reports.isEmpty && Atomics.exchange(flags, FLAG.told, 1) === 0) tell.tell();
    if (pause === null) return;
    if (pause > 0) Atomics.wait(flags, FLAG.commands, seen, pause);
  }
}

/** Does without IPv6 where that does not work. @throws {TtunError} */
function openTox(toxcore: Toxcore, settings: ToxSettings): Tox {
  try {
    return toxcore.open(settings);
  } catch (error) {
    if (!(error instanceof TtunError) || error.kind !== "in_use") throw error;
    return toxcore.open({ ...settings, ipv6: false });
  }
}

/** Tells the other thread that there are reports. */
class Teller implements Disposable {
  readonly #port: MessagePort;
  readonly #libc: ReturnType<typeof openLibc> | null = null;
  readonly #fd: number = -1;

  constructor(wakeFd: number | null, port: MessagePort) {
    this.#port = port;
    if (wakeFd === null) return;
    this.#libc = openLibc();
    // A copy of its own: the other thread may close its own at any time.
    this.#fd = duplicate(this.#libc, wakeFd);
  }

  tell(): void {
    if (this.#libc === null) this.#port.postMessage(null);
    else this.#libc.write(this.#fd, WAKE);
  }

  [Symbol.dispose](): void {
    this.#libc?.close(this.#fd);
    this.#libc?.[Symbol.dispose]();
  }
}
