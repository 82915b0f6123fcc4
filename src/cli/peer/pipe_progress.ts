import type { Clock } from "../../contract/host.ts";
import { TransferProgress } from "../output/transfer_progress.ts";
import type { PlaneEvent } from "../plane/messages.ts";
import type { PeerTools } from "./own_address.ts";
import type { ProgressTask } from "./plane_config.ts";
import { bytesText } from "../status/text.ts";

/** Milliseconds between two lines. */
const INTERVAL_MS = 300;

/** Null = nothing is shown. */
export function openProgress(
  { inputSize }: ProgressTask,
  { platform: { clock }, port }: Pick<PeerTools, "platform" | "port">,
): PipeProgress | null {
  return inputSize === undefined ? null : new PipeProgress(inputSize, { clock, port });
}

/** Bytes that the pipe has carried: from standard input, and to standard output. */
export interface PipeCount {
  readonly up: number;
  readonly down: number;
}

/** Shows how far a pipe is, from its first bytes on until it is disposed of. */
export class PipeProgress implements Disposable {
  readonly #clock: Clock;
  readonly #port: { report(event: PlaneEvent): void };
  /** Bytes of standard input; null = nobody knows. */
  readonly #size: number | null;
  #count: PipeCount | null = null;
  #progress: TransferProgress | null = null;
  #timer: Disposable | null = null;

  constructor(
    size: number | null,
    { clock, port }: { clock: Clock; port: { report(event: PlaneEvent): void } },
  ) {
    this.#size = size;
    this.#clock = clock;
    this.#port = port;
  }

  /** Takes a count that goes on. */
  readonly follow = (count: PipeCount): void => {
    this.#count = count;
    this.#timer ??= this.#clock.after(INTERVAL_MS, this.#tick);
  };

  readonly #tick = (): void => {
    this.#timer = this.#clock.after(INTERVAL_MS, this.#tick);
    const { up, down } = this.#count!;
    if (up + down === 0) return;
    const isKnown = this.#size !== null && up > 0;
    this.#progress ??= new TransferProgress({
      total: isKnown ? this.#size : null,
      now: () => this.#clock.now(),
    });
    const line = this.#progress.line(isKnown ? up : up + down);
    const other = isKnown && down > 0 ? `  received ${bytesText(down)}` : "";
    this.#print(`${line}${other}`);
  };

  #print(line: string): void {
    this.#port.report({ kind: "print", line, isProgress: true });
  }

  [Symbol.dispose](): void {
    if (this.#timer === null) return;
    this.#timer[Symbol.dispose]();
    this.#print("");
  }
}
