import type { PortRange } from "../../base/port_range.ts";
import { TtKeys } from "../tt/keys.ts";
import { portOf } from "./port_range.ts";
import type { MinutePort } from "./schedule.ts";

/** Ports of the minutes under one key (docs/wire/tt-v1.md, 1.2). */
export class MinutePorts implements Disposable {
  readonly range: PortRange;
  readonly #keys: TtKeys;

  /** The key is copied. */
  constructor(key: Uint8Array, range: PortRange) {
    this.range = range;
    this.#keys = new TtKeys(key);
  }

  at(minute: number): MinutePort {
    const { otp, lifetime } = this.#keys.at(minute);
    return { port: portOf(otp, this.range), lifetime };
  }

  [Symbol.dispose](): void {
    this.#keys[Symbol.dispose]();
  }
}
