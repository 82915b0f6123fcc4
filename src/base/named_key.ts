import type { Cidr } from "./addr.ts";
import { constantTimeEqual } from "./bytes.ts";

/** The name is for the log; "" if there is only one password. */
export interface NamedKey {
  readonly name: string;
  /** The password in UTF-8. */
  readonly password: Uint8Array;
  /** Addresses of a tunnel that clients of this key alone get. */
  readonly addresses?: readonly Cidr[];
  /** Networks behind the client of this key. */
  readonly networks?: readonly Cidr[];
}

/** Compares names and passwords. */
export function isSameKey(a: NamedKey, b: NamedKey): boolean {
  return a.name === b.name && constantTimeEqual(a.password, b.password);
}
