import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
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

/** The name at the owner's whose record (CNAME) leads to the challenges. */
export function challengeOf(host: string): string {
  return `${CHALLENGE}.${host}`;
}

/**
 * Refuses a host whose owner has not said that it is to be the agent's. `zone`: the one that the
 * cluster answers for; `found`: names that the owner's record leads to. @throws {TtunError} auth
 */
export function requireDelegation(
  { host, agent, zone }: { readonly host: string; readonly agent: string; readonly zone: string },
  found: readonly string[],
): void {
  const target = `${hostChallenge(agent, host)}.${zone}`;
  if (found.some((one) => one.toLowerCase().replace(/\.$/, "") === target)) return;
  throw new TtunError(
    "auth",
    `Cannot have ${host}: its owner proves it by a record in DNS, ${
      challengeOf(host)
    } CNAME ${target}`,
  );
}
