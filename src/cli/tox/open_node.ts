import { sleep } from "../../app/loop/sleep.ts";
import { isIpAddress } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { Tox } from "../../../ffi/tox/tox.ts";
import { openToxcore, type Toxcore } from "../../../ffi/tox/toxcore.ts";
import type { ToxFacts, ToxNodeConfig } from "./plane_config.ts";

/** Milliseconds after which the network is looked for again, while it is not found. */
const LOOKS_AGAIN_MS = 20_000;

export interface OpenedTox {
  readonly tox: Tox;
  readonly facts: ToxFacts;
}

/** Opens an instance of libtoxcore, which closes with the data plane at the latest. @throws {TtunError} */
export function openTox(
  node: ToxNodeConfig,
  { opened, log }: { readonly opened: AsyncDisposableStack; readonly log: Logger },
): OpenedTox {
  const toxcore = opened.use(openToxcore(Deno.build.os, node.program));
  const tox = opened.use(newTox(toxcore, node));
  log.debug("libtoxcore", { version: toxcore.version, udp: tox.udpPort ?? "none" });
  return { tox, facts: { address: tox.address, savedata: tox.savedata } };
}

/** Does without IPv6 where that does not work. */
function newTox(toxcore: Toxcore, { savedata, udpPorts, relayPort, proxy }: ToxNodeConfig): Tox {
  const settings = {
    ...{ udpPorts, relayPort, proxy },
    savedata: savedata ?? undefined,
    udp: true,
    localDiscovery: true,
  };
  try {
    return toxcore.open({ ...settings, ipv6: true });
  } catch (error) {
    if (!(error instanceof TtunError) || error.kind !== "in_use") throw error;
    return toxcore.open({ ...settings, ipv6: false });
  }
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
  tox: Tox,
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
  tox: Tox,
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
