import { utf8 } from "../../base/bytes.ts";
import { derive } from "../../core/link/v2/secrets.ts";

/**
 * The secret of links of version 2 between agents and gateways, which everybody knows: the gateway is
 * proved by TLS, the agent by its certificate, for that very link.
 */
export const AGENT_LINK_SECRET = derive(null, "mesh agent link", utf8("1"));
