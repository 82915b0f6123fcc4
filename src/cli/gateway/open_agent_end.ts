import type { WireSecrets } from "../../app/link/config.ts";
import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { DenoNet } from "../../io/net/deno_net.ts";
import { DenoClock } from "../../io/reactor/deno_clock.ts";
import { chooseCiphers } from "../platform/choose_cipher.ts";
import { knownCosts } from "../platform/cipher_costs.ts";
import { agentDialer } from "./agent_dialer.ts";
import { agentWire } from "./agent_wire.ts";

export interface AgentEnd extends AsyncDisposable {
  readonly clock: Clock;
  readonly secrets: WireSecrets;
  /** Connects with the gateway, whose certificate is verified. @throws {TtunError} */
  connect(signal: AbortSignal): Promise<Connection>;
}

/** Opens what a command asks a gateway with, in the main thread. @throws {TtunError} system, usage */
export function openAgentEnd(
  o: { readonly at: HostPort; readonly apex: string; readonly ca: string | null },
  log: Logger,
): AgentEnd {
  const clock = new DenoClock();
  const opened = new AsyncDisposableStack();
  const chosen = opened.use(chooseCiphers("auto", log));
  const { costs } = opened.use(knownCosts(chosen, clock));
  const secrets = agentWire({ ...chosen, costs });
  const { apex, at, ca } = o;
  const way = agentDialer({ apex, ca, net: new DenoNet(null), resolver: null, clock, log, opened });
  const connect = (signal: AbortSignal) => way(at, signal);
  return { clock, secrets, connect, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
