import type { RemoteTox } from "../../io/tox/remote_tox.ts";
import type { WayTools } from "../peer/way_tools.ts";
import { lookForNetwork } from "./open_node.ts";
import type { ToxNodeConfig } from "./plane_config.ts";

/** Looks for the network until what is opened closes. `onFailed`: it has ended otherwise. */
export function findNetwork(
  tox: RemoteTox,
  node: ToxNodeConfig,
  { platform: { clock }, resolver, log, opened, signal, isOnline, onFailed }: WayTools & {
    readonly isOnline: () => boolean;
    readonly onFailed: (error: unknown) => void;
  },
): void {
  const end = new AbortController();
  opened.defer(() => end.abort());
  const stop = AbortSignal.any([signal, end.signal]);
  lookForNetwork(tox, node, { clock, resolver, log, isOnline, signal: stop }).catch((error) => {
    if (!stop.aborted) onFailed(error);
  });
}
