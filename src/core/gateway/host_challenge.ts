import { utf8 } from "../../base/bytes.ts";
import { derive } from "../link/v2/secrets.ts";
import { encodeBase32 } from "../mesh/admission/base32.ts";
import { CHALLENGE } from "./zone_records.ts";

/**
 * Returns the name in the zone, without the zone's own, that the owner of a host has its challenges
 * lead to (CNAME). It has the agent in it, so that the record says whose the host is to be, and stays of
 * no use to others. `agent`: its id in hex.
 */
export function hostChallenge(agent: string, host: string): string {
  const hash = derive(null, "mesh host", utf8(`${agent} ${host}`));
  return `${encodeBase32(hash.subarray(0, 16))}.${CHALLENGE}`;
}
