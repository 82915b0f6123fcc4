import { sleep } from "../../app/loop/sleep.ts";
import { isIpAddress } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { RemoteTox } from "../../io/tox/remote_tox.ts";
import { ToxThread } from "../../io/tox/tox_thread.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import type { ToxFacts, ToxNodeConfig } from "./plane_config.ts";

/** Milliseconds after which the network is looked for again, while it is not found. */
const LOOKS_AGAIN_MS = 20_000;

/** Never called: it makes the Worker's file a dependency for `deno cache` and `deno install`. */
export const workerModule: () => Promise<unknown> = () => import("../../io/tox/tox_worker.ts");

export interface OpenedTox {
  readonly tox: RemoteTox;
  readonly facts: ToxFacts;
}

/**
 * Opens an instance of libtoxcore in a thread of its own, which ends with the data plane at the
 * latest. @throws {TtunError}
 */
export function openTox(
  { program, savedata, udpPorts, relayPort, proxy }: ToxNodeConfig,
  { opened, log, platform: { reactor, clock } }: {
    readonly opened: AsyncDisposableStack;
    readonly log: Logger;
    readonly platform: Pick<SocketPlatform, "reactor" | "clock">;
  },
): OpenedTox {
  const settings = {
    ...{ udpPorts, relayPort, proxy },
    ...{ udp: true, ipv6: true, localDiscovery: true },
    savedata: savedata ?? undefined,
  };
  const { facts, node } = opened.use(new ToxThread({ reactor, clock, program, settings }));
  const { version, udpPort, address, savedata: identity } = facts;
  log.debug("libtoxcore", { version, udp: udpPort ?? "none" });
  return { tox: node, facts: { address, savedata: identity } };
}

export interface LookTools {
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** This node has found the network. */
  readonly isOnline: () => boolean;
}

/** Looks for the network by the nodes of the list, again and again while it is not found. */
export async function lookForNetwork(
  tox: RemoteTox,
  node: ToxNodeConfig,
  tools: LookTools,
): Promise<void> {
  for (;;) {
    if (!tools.isOnline()) {
      await Promise.all(node.nodes.map((place) => use(tox, place, node, tools)));
    }
    await sleep(tools.clock, LOOKS_AGAIN_MS, tools.signal);
  }
}

async function use(
  tox: RemoteTox,
  { host, port, publicKey, relayPorts }: ToxNodeConfig["nodes"][number],
  { proxy }: ToxNodeConfig,
  { resolver, log, signal }: LookTools,
): Promise<void> {
  // A name that is asked for here goes around the proxy.
  if (proxy !== undefined && !isIpAddress(host)) return;
  let addresses: readonly string[];
  try {
    addresses = isIpAddress(host) ? [host] : await resolver.resolve(host, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (log.isDebug) log.debug("Tox node", { host, why: toTtunError(error).message });
    return;
  }
  signal.throwIfAborted(); // the instance may be closed
  for (const address of addresses) {
    tox.bootstrap({ host: address, port, publicKey });
    for (const relay of relayPorts) tox.addRelay({ host: address, port: relay, publicKey });
  }
}
