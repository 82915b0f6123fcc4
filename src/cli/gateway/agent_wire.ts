import { AGENT_LINK_SECRET } from "../../app/gateway/link_secret.ts";
import type { WireSecrets } from "../../app/link/config.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { type PlaneCiphers, wireSecrets } from "../plane/wire_secrets.ts";

/** Returns what links between agents and gateways are made with. */
export function agentWire(ciphers: PlaneCiphers): WireSecrets {
  const psk = AGENT_LINK_SECRET;
  const choice = { wire: "v2", psk, cipher: "auto", rekeySeconds: LONGEST_REKEY } as const;
  return wireSecrets(choice, ciphers, psk);
}
