import { ipBytes, isIpAddress } from "../../base/addr.ts";
import { formatTarget, type ForwardTarget, type Target } from "../../base/target.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Acl, Decision } from "../../core/acl/acl.ts";
import { ConnectError } from "./connect_error.ts";

/**
 * Judges a target before its name is resolved. Returns a function that leaves those of its addresses
 * which the rules allow, and throws a ConnectError if none is left. Connect to these addresses
 * alone: the name may resolve otherwise the next time.
 * @throws {ConnectError} `denied`, if a rule denies the name
 */
export function permittedAddresses(
  rules: Acl,
  target: Target,
): (addresses: readonly string[]) => string[] {
  const { host, port } = target;
  const name = isIpAddress(host) ? null : rules.judgeName(host, port);
  if (name?.isAllowed === false) throw deniedTarget(target, name.why);
  return (addresses) => {
    if (addresses.length === 0) return []; // a failure of the name, not of a rule
    const judged = addresses.map((address) => ({ address, ...judge(rules, address, port, name) }));
    const found = judged.filter(({ isAllowed }) => isAllowed).map(({ address }) => address);
    if (found.length > 0) return found;
    const { address, why } = judged.at(-1)!;
    throw deniedTarget(target, `${address}: ${why}`);
  };
}

function judge(rules: Acl, address: string, port: number, name: Decision | null): Decision {
  const ip = ipBytes(withoutZone(address));
  if (ip === null) return { isAllowed: false, why: "it is no address" };
  return rules.judge(ip, port, name);
}

export function deniedTarget(target: ForwardTarget, why: string): ConnectError {
  const words = `${formatTarget(target)}: ${why} (an --allow for it lets clients there)`;
  return new ConnectError("denied", words);
}
