import { utf8 } from "../../base/bytes.ts";
import { derive } from "../link/v2/secrets.ts";
import { readPosition } from "./circle.ts";
import type { MeshRecord, RecordName } from "./record.ts";
import { joinKey } from "./record.ts";
import { versionBytes } from "./version.ts";

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
      const version = versionBytes(record.version);
      return readPosition(derive(placementKey, "mesh sum", utf8(joinKey(record)), version));
    },
  };
}
