import { AGENT_PROTOCOL } from "../../core/gateway/agent_messages.ts";
import { type DialGateway, gatewayDialer, type GatewayDialerOptions } from "./gateway_dialer.ts";

export interface AgentDialerOptions
  extends Omit<GatewayDialerOptions, "host" | "protocol" | "remedy"> {
  /** Domain that the gateway's certificate must be for. */
  readonly apex: string;
}

/** Returns what connects an agent with gateways, which are proved by their certificate. */
export function agentDialer({ apex, ...o }: AgentDialerOptions): DialGateway {
  const remedy = "--ca of ttun mesh enroll";
  return gatewayDialer({ ...o, host: apex, protocol: AGENT_PROTOCOL, remedy });
}
