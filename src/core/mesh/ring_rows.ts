import { concat } from "../../base/bytes.ts";
import { toTtunError } from "../../base/errors.ts";
import type { LoadedRing, RingRow, RingRows } from "../../contract/mesh_disk.ts";
import { decodeDescriptor, encodeDescriptor } from "./descriptor.ts";
import { hlcOfMs, RESERVED_MS } from "./hybrid_clock.ts";
import type { MeshRecord } from "./record.ts";
import type { RememberedPeer, RingBatch, RingImage } from "./ring_disk.ts";
import { readVersion, versionBytes } from "./version.ts";

const HLC = "hlc";
const PLACE = "place";
const READY = "ready";

/** Lays a batch out as rows of the node's file. */
export function rowsOf(batch: RingBatch): RingRows {
  const values: RingRows["values"] = [];
  const { reservedHlc, place, ready } = batch;
  if (reservedHlc !== undefined) values.push({ name: HLC, value: numberBytes(reservedHlc) });
  if (place !== undefined) values.push({ name: PLACE, value: numberBytes(BigInt(place)) });
  if (ready !== undefined) {
    const [since, until] = [ready.since, ready.until].map((ms) => numberBytes(BigInt(ms)));
    values.push({ name: READY, value: concat(since!, until!) });
  }
  const peers = batch.peers?.map(({ descriptor, heardAtMs }) => ({
    descriptor: encodeDescriptor(descriptor),
    heardAtMs: Math.floor(heardAtMs),
  }));
  return {
    put: batch.put.map(rowOf),
    remove: batch.remove.map(({ bucket, child }) => ({ bucket, child })),
    values,
    ...(peers === undefined ? {} : { peers }),
  };
}

/**
 * Reads what a node finds on its disk. `hasRun`: the node has run before. Where its reservation of stamps
 * is lost, none of those that it may have given until `nowMs`, Unix milliseconds, is given again.
 */
export function imageOf(loaded: LoadedRing, nowMs: number, hasRun: boolean): RingImage {
  const place = loaded.values.get(PLACE);
  const hlc = loaded.values.get(HLC);
  const ready = loaded.values.get(READY) ?? new Uint8Array();
  const lost = loaded.wasDamaged || hasRun ? hlcOfMs(nowMs + RESERVED_MS) : 0n;
  return {
    records: loaded.rows.map(recordOf),
    reservedHlc: hlc === undefined ? lost : bytesNumber(hlc),
    peers: loaded.peers.flatMap(({ descriptor, heardAtMs }) => peerOf(descriptor, heardAtMs)),
    place: place === undefined ? null : Number(bytesNumber(place)),
    ready: {
      since: Number(bytesNumber(ready.subarray(0, 8))),
      until: Number(bytesNumber(ready.subarray(8))),
    },
  };
}

function rowOf({ bucket, child, value, version, expiry, isTombstone }: MeshRecord): RingRow {
  return { bucket, child, value, version: versionBytes(version), expiry, isTombstone };
}

/** Soft records are never on a disk. */
function recordOf({ bucket, child, value, version, expiry, isTombstone }: RingRow): MeshRecord {
  return {
    bucket,
    child,
    value,
    version: readVersion(version),
    expiry,
    isTombstone,
    class: "durable",
  };
}

/** A peer that an older ttun has written, and this one cannot read, is one less. */
function peerOf(bytes: Uint8Array, heardAtMs: number): RememberedPeer[] {
  try {
    return [{ descriptor: decodeDescriptor(bytes), heardAtMs }];
  } catch (error) {
    if (toTtunError(error).kind !== "protocol") throw error;
    return [];
  }
}

function numberBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

function bytesNumber(bytes: Uint8Array): bigint {
  if (bytes.length !== 8) return 0n;
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
}
