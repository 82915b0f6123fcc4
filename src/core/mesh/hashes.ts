import { concat, utf8, writeU32 } from "../../base/bytes.ts";
import { derive } from "../link/v2/secrets.ts";
import { readPosition } from "./circle.ts";
import type { MeshRecord, RecordName } from "./record.ts";
import { joinKey } from "./record.ts";

/** Hashes of the ring, keyed so that nobody outside can choose where a name lies. */
export interface RingHashes {
  /** Returns the position of a bucket. */
  position(bucket: string): bigint;
  /** Returns a number for a record's name and version; sums of them stand for sets of records. */
  sum(record: MeshRecord | RecordName): bigint;
}

/** Makes the hashes from the placement key P, 32 bytes. */
export function ringHashes(placementKey: Uint8Array): RingHashes {
  return {
    position: (bucket) => readPosition(derive(placementKey, "mesh key", utf8(bucket))),
    sum(record) {
      const { epoch, hlc, writer } = record.version;
      const version = concat(u64(epoch), u64(hlc), u64(writer));
      return readPosition(derive(placementKey, "mesh sum", utf8(joinKey(record)), version));
    },
  };
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  writeU32(bytes, 0, Number(value >> 32n));
  writeU32(bytes, 4, Number(value & 0xffff_ffffn));
  return bytes;
}
