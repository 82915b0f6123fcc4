import { toHex, utf8 } from "../../base/bytes.ts";
import type { Place } from "../../app/mesh/store/core_place.ts";
import { readCorePlace } from "../../core/mesh/core/core_state.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileReason } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { readKept } from "../tox/kept_file.ts";

const FILE = "core.json";

/** Returns where the core was when the node heard of it last; null = it never has. */
export function readPlace(folder: string): Place | null {
  const kept = readKept(`${folder}/${FILE}`, 4096, "where the core is");
  return kept === null ? null : readCorePlace(kept.bytes);
}

/** Returns why it cannot be kept, or null. */
export function keepPlace(folder: string, place: Place): string | null {
  try {
    const path = `${folder}/${FILE}`;
    const bytes = utf8(`${JSON.stringify({ node: place.node, epoch: place.epoch })}\n`);
    replaceAtomically(path, `${path}.${toHex(rng(8))}`, bytes, { mode: 0o600, durable: true });
    return null;
  } catch (error) {
    return fileReason(error);
  }
}
