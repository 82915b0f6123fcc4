import { backUpCore } from "../../app/mesh/store/core_backup.ts";
import type { ParcelSender } from "../../app/mesh/store/parcel_sender.ts";
import { sealBackup } from "../../core/mesh/core/sealed_backup.ts";
import { nodeKeyExchange } from "../../io/crypto/x25519.ts";
import { rng } from "../platform/rng.ts";
import type { CoreNodes } from "./core_nodes.ts";
import type { LocalCore } from "./local_core.ts";
import type { MeshTools } from "./mesh_tools.ts";

export interface LocalBackupOptions {
  readonly nodes: Pick<CoreNodes, "keepers">;
  readonly sender: ParcelSender;
  readonly everyMs: number;
  /** The authority's public key: whoever has the key itself opens a backup. */
  readonly authority: () => Uint8Array;
  readonly signal: AbortSignal;
}

/** Keeps backups of this node's core at other nodes, until it ends or the signal aborts. */
export async function backUpLocal(
  { driver }: Pick<LocalCore, "driver">,
  { nodes, sender, everyMs, authority, signal }: LocalBackupOptions,
  { platform: { clock }, log }: MeshTools,
): Promise<void> {
  let known = "";
  try {
    await backUpCore({
      core: driver,
      clock,
      everyMs,
      nodes: () => nodes.keepers(),
      seal: (bytes) => sealBackup(bytes, authority(), { exchange: nodeKeyExchange, rng }),
      send: (node, sealed, signal) => sender.send(node, "backup", sealed, signal),
      done: ({ revision, kept, failures }) => {
        const at = kept.map((node) => node.slice(0, 12)).join(" ");
        const why = failures.join("; ");
        if (`${at} ${why}` === known) return; // the hourly one tells nothing new
        known = `${at} ${why}`;
        if (kept.length > 0) log.info("The core is backed up", { at, revision });
        else if (nodes.keepers().length > 0) {
          log.warn("The core is backed up at no other node", { why });
        }
      },
    }, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (driver.failure === undefined) throw error; // else it has moved, or its disk has failed
  }
}
