import { fromHex, toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";

const KEY_SIZE = 32;

/** Public key, four bytes that keep strangers off (nospam), and two of a checksum. */
const ID_SIZE = KEY_SIZE + 4 + 2;

/** A Tox ID, by which friends ask for each other. */
export interface ToxId {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The part that does not change. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
}

/** Reads 76 hexadecimal digits of either case. @throws {TtunError} usage, also for a typing mistake */
export function parseToxId(text: string): ToxId {
  if (!/^[0-9a-f]{76}$/i.test(text)) {
    throw new TtunError(
      "usage",
      `Cannot use this as a Tox ID: it has 76 hexadecimal digits, and this has ${text.length} ` +
        "characters",
    );
  }
  const bytes = new Uint8Array(fromHex(text.toLowerCase()));
  if (checksumOf(bytes) !== 0) {
    throw new TtunError(
      "usage",
      "Cannot use this as a Tox ID: its checksum says that a digit is wrong",
    );
  }
  return { bytes, publicKey: bytes.slice(0, KEY_SIZE) };
}

export function formatToxId(bytes: Uint8Array): string {
  return toHex(bytes).toUpperCase();
}

/** Bytes at even and at odd places, added without carry: 0 of a whole ID. */
function checksumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < ID_SIZE; i += 2) sum ^= bytes[i]! << 8 | bytes[i + 1]!;
  return sum;
}
