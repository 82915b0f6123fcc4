import { CoreDriver } from "../../app/mesh/store/core_driver.ts";
import type { Place } from "../../app/mesh/store/core_place.ts";
import { CoreServer } from "../../app/mesh/store/core_server.ts";
import { TtunError } from "../../base/errors.ts";
import type { CoreDisk } from "../../contract/mesh_disk.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import { coreRefusal } from "../../core/mesh/core/core_rights.ts";
import { isThere } from "../../io/files/present.ts";
import { MovedCore, openCoreFile } from "../../io/mesh/core_file.ts";
import type { CoreNodes } from "./core_nodes.ts";
import type { MeshTools } from "./mesh_tools.ts";

/** The core in a file of this node, which runs. */
export interface LocalCore {
  readonly driver: CoreDriver;
  readonly disk: CoreDisk;
  readonly server: CoreServer;
  /** Where there is a newer one, which has ended this one; null = there is none. */
  newer(): Place | null;
}

export interface LocalCoreOptions {
  readonly path: string;
  /** The newest epoch that the cluster is known to have had. */
  readonly leastEpoch: number;
  readonly nodes: Pick<CoreNodes, "mayHaveCore" | "mayHaveGateway">;
  /** The file turns out to be damaged while the core runs. */
  readonly onDamage: (error: unknown) => void;
}

/** @throws {TtunError} if the file is missing, damaged or out of date; MovedCore */
export async function openLocalCore(
  { path, leastEpoch, nodes, onDamage }: LocalCoreOptions,
  { platform: { clock }, log }: MeshTools,
): Promise<LocalCore> {
  const { disk, state, later } = await openCoreFile(path, {
    create: false,
    leastEpoch,
    areChangesLater: true,
  });
  later?.catch((error: unknown) => {
    if (!(error instanceof MeshError)) onDamage(error); // else it was closed meanwhile
  });
  let newer: Place | null = null;
  const driver = new CoreDriver(state, {
    ...{ disk, clock, later },
    events: {
      failed: ({ message: why }) => log.error("The core has ended", { why }),
      full: (isFull) => {
        if (isFull) log.error("The core's disk is full: writes are refused");
        else log.info("The core's disk takes writes again");
      },
    },
  });
  const server = new CoreServer(driver, {
    epoch: state.epoch,
    refusal: (node, request) =>
      coreRefusal(
        request,
        (role) => role === "core" ? nodes.mayHaveCore(node) : nodes.mayHaveGateway(node),
      ),
    onNewer: (node, epoch) => {
      // A stolen node that may not have the core must not end it by a number.
      if (!nodes.mayHaveCore(node)) return false;
      newer = { node, epoch };
      return true;
    },
  });
  return { driver, disk, server, newer: () => newer };
}

/** Returns where the core of a file has moved; null = it has not. */
export async function markOf(path: string): Promise<Place | null> {
  if (!isThere(path)) return null;
  try {
    const { disk } = await openCoreFile(path, { create: false, isAlone: true });
    await disk[Symbol.asyncDispose]();
    return null;
  } catch (error) {
    if (error instanceof MovedCore) return error;
    if (error instanceof TtunError) return null; // nobody starts from this file
    throw error;
  }
}
