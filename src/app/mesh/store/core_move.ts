import { toTtunError, TtunError } from "../../../base/errors.ts";
import type { CoreDisk, CoreState } from "../../../contract/mesh_disk.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { exportCore, parseCoreExport } from "../../../core/mesh/core/core_export.ts";
import { movedCore } from "../../../core/mesh/core/core_state.ts";
import { MAX_PARCEL } from "../../../core/mesh/core/parcel.ts";
import type { CoreDriver } from "./core_driver.ts";
import type { ParcelSender } from "./parcel_sender.ts";

/**
 * Hands the core of this process to `node`: writes wait from here on, the node gets everything and
 * compares it, this file is marked, and only then the node starts. Returns the new epoch; a failure
 * before the mark leaves the core here, as it was.
 * @throws {MeshError}; {TtunError} once it is marked and the node has not answered
 */
export async function moveCore(
  o: { core: CoreDriver; disk: CoreDisk; sender: ParcelSender; node: string },
  signal: AbortSignal,
): Promise<number> {
  const { core, disk, sender, node } = o;
  let state: CoreState;
  try {
    state = await core.freeze("The core is moving to another node: try again in a moment");
    await sender.send(node, "core", parcelOf(state), signal);
    signal.throwIfAborted();
  } catch (error) {
    core.thaw();
    throw error;
  }
  const epoch = state.epoch + 1;
  await disk.markMoved(node, epoch);
  core.end(new MeshError("unavailable", `The core has moved to the node ${node}`));
  try {
    await sender.activate(node, epoch, signal);
  } catch (error) {
    throw new TtunError(
      "partial",
      `The core has moved to the node ${node}, which has not said that it started it ` +
        `(${toTtunError(error).message}): this node goes on trying, or run the same command again`,
      { cause: error },
    );
  }
  return epoch;
}

/** Without room for the changes as well, watches begin anew. */
function parcelOf(state: CoreState): Uint8Array {
  const whole = exportCore(state, { withChanges: true });
  return whole.length <= MAX_PARCEL ? whole : exportCore(state);
}

/** Reads a core that was sent to this node: the state from which it starts here. */
export function receivedCore(bytes: Uint8Array, self: string): CoreState {
  return movedCore(parseCoreExport(bytes), self);
}
