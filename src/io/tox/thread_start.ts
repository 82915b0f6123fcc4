import type { PlainError } from "../../base/errors.ts";
import type { ToxSettings, ToxSizes } from "../../../ffi/tox/tox_types.ts";

/** First message to the Worker in which an instance of libtoxcore runs. */
export interface ToxWorkerInit {
  /** Gets a `ToxOpened`, and then null each time there are reports if nothing else tells. */
  readonly port: MessagePort;
  /** Written to when there are reports; null = `port` tells. */
  readonly wakeFd: number | null;
  readonly flags: SharedArrayBuffer;
  /** Memory of the rings. */
  readonly commands: SharedArrayBuffer;
  readonly reports: SharedArrayBuffer;
  /** Path of the running program (ffi/tox/toxcore.ts). */
  readonly program: string;
  readonly settings: ToxSettings;
}

/** Numbers of the flags' memory. */
export const FLAG = {
  /** Becomes 1 when the instance is there, or has been refused. */
  opened: 0,
  /** Grows when there are commands. */
  commands: 1,
  /** 1 = the other thread was told of reports, and has not looked for them since. */
  told: 2,
} as const;
export const FLAG_BYTES = 12;

export interface ToxThreadFacts {
  readonly version: string;
  readonly sizes: ToxSizes;
  readonly address: Uint8Array<ArrayBuffer>;
  readonly savedata: Uint8Array<ArrayBuffer>;
  readonly udpPort: number | null;
}

/** The answer to the first message. */
export type ToxOpened = { readonly facts: ToxThreadFacts } | { readonly error: PlainError };
