import { TtunError } from "../../base/errors.ts";
import type { EntranceRules } from "../../core/gateway/entrance.ts";
import type { PublishTarget } from "../../core/gateway/publish_target.ts";
import type { TunnelFlags } from "./tunnel_options.ts";

/**
 * Gives a target of connections or datagrams what is asked for it. What would count for requests alone
 * is refused, as nobody would notice that it does nothing. @throws {TtunError} usage
 */
export function withRawWishes(
  target: PublishTarget,
  { udp, public: isPublic }: TunnelFlags,
  rules: EntranceRules,
): PublishTarget {
  if (target.kind !== "raw") {
    if (udp) refuse("--udp here: it is for tcp:// targets");
    return isPublic ? refuse("--public here: it is for tcp:// and udp:// targets") : target;
  }
  const { visitors: { hashes }, limits, requestFields, responseFields } = rules;
  const ofHttp = hashes !== null
    ? "--basic-auth and --bearer-file"
    : requestFields.length + responseFields.length > 0
    ? "--request-header and --response-header"
    : Object.values(limits).some((limit) => limit !== null)
    ? "limits of requests"
    : null;
  if (ofHttp !== null) refuse(`${ofHttp} with tcp:// and udp://: they are for HTTP`);
  if (!udp) return { ...target, isPublic };
  if ("path" in target.to) {
    refuse("--udp with a unix socket, which takes no datagrams of a network");
  }
  return { ...target, isPublic, carries: target.carries === "tcp" ? "both" : "udp" };
}

function refuse(words: string): never {
  throw new TtunError("usage", `Cannot use ${words}`);
}
