import { KeyRing } from "../../src/app/link/key_ring.ts";
import { StrangerBudget } from "../../src/app/link/stranger_budget.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { FakeClock } from "./clock.ts";
import { pskKey } from "../../src/core/link/v1/kdf.ts";

/** The secret of version 2 that a key has in tests: a quick hash takes scrypt's place. */
export function secretOf(psk: string): Uint8Array {
  return pskKey(utf8(`s of ${psk}`));
}

/** A server's keys, whose names are the keys themselves. */
export function namedKeys(names: readonly string[]): KeyRing {
  const keys = names.map((name) => ({ name, password: utf8(name) }));
  const clock = new FakeClock();
  const budget = new StrangerBudget({ clock, preciseNow: () => 0 });
  const ring = new KeyRing(keys, { clock, budget });
  ring.run(({ name }) => Promise.resolve(secretOf(name))).catch(() => {}); // it cannot fail
  return ring;
}
