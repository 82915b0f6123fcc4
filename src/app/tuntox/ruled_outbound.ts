import { formatTarget, type ForwardTarget } from "../../base/target.ts";
import type { Outbound } from "../../contract/outbound.ts";
import { permitsTunnel, type TunnelRule } from "../../core/tuntox/rules.ts";
import { ConnectError } from "../net/connect_error.ts";

/** An outbound to the targets that tuntox's rules permit. */
export function ruledOutbound(
  outbound: Outbound<ForwardTarget>,
  rules: readonly TunnelRule[],
): Outbound<ForwardTarget> {
  return {
    open: (target, o, events) => {
      if (!("path" in target) && permitsTunnel(rules, target)) {
        return outbound.open(target, o, events);
      }
      const why = `${formatTarget(target)}: the rules permit no tunnel there`;
      return events.failed(new ConnectError("denied", why));
    },
  };
}
