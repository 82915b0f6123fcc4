import { type HostPort, isIpAddress } from "../../base/addr.ts";
import { NameError, TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Resolver } from "../../contract/host.ts";
import { specialUse } from "../../core/acl/special_use.ts";
import type { EndAddress } from "../../core/meet/messages.ts";
import { ownCandidates } from "../../core/ticket/own_candidates.ts";
import type { MeetingStream } from "../meet/meet.ts";
import type { MeetingOptions } from "./meeting_options.ts";
import { ViaSession } from "./via_session.ts";

/** Milliseconds for the other family: what is slower is done without. */
const OTHER_MS = 2000;

/**
 * Finds out where this end may be reached, as the server and its interfaces tell: by the family of
 * IP by which the meeting's stream comes, and by the other one, as the other end may have that
 * alone. A connection by that one, which keeps the port open at the NAT, lives under `signal`.
 * @throws the signal's reason
 */
export async function findOwnAddress(
  o: MeetingOptions,
  { observed }: Pick<MeetingStream, "observed">,
  signal: AbortSignal,
): Promise<EndAddress> {
  const said = observed === null ? [] : [observed];
  const other = observed === null ? null : await observeOther(o, observed, signal);
  if (other !== null) said.push(other);
  const isKept = ({ port }: HostPort) => port === o.port;
  for (const one of said) {
    const { host: ip, port } = one;
    o.log.info("public address", { ip, port, nat_keeps_port: `${isKept(one)}` });
  }
  const own = o.ownNetworks().map(({ bytes }) => bytes);
  const candidates = ownCandidates({ said, own, port: o.port });
  return { keepsPort: said.every(isKept), candidates };
}

/**
 * Returns the address at the server by the other family; null = this machine or the server has none,
 * or that takes too long.
 */
async function observeOther(
  o: MeetingOptions,
  observed: HostPort,
  signal: AbortSignal,
): Promise<HostPort | null> {
  const { clock, log, rng, via } = o;
  const isWanted = (host: string) => host.includes(":") !== observed.host.includes(":");
  const { server } = via;
  if (!("host" in server) || isIpAddress(server.host) || !hasWay(o, isWanted)) return null;
  const late = new AbortController();
  const give = () => late.abort(new TtunError("timeout", "The other family of IP took too long"));
  using _timer = clock.after(OTHER_MS, give);
  const resolver = ofFamily(via.resolver, isWanted);
  await using owned = new AsyncDisposableStack();
  const session = owned.use(new ViaSession({ ...via, resolver, clock, log }, signal));
  try {
    const join = { side: "listens", id: rng(16), end: rng(16), clock, signal } as const;
    const meeting = await abortable(session.join(join), late.signal);
    startClose(meeting); // it was to tell the address
    if (meeting.observed === null) return null;
    owned.move();
    return meeting.observed;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TtunError) || error.kind === "internal") throw error;
    log.debug("no address by the other family of IP", { why: error.message });
    return null;
  }
}

/** This machine has an address of that family by which it may reach others. */
function hasWay({ ownNetworks }: MeetingOptions, isWanted: (host: string) => boolean): boolean {
  return ownNetworks().some(({ family, bytes }) => {
    const use = specialUse(bytes);
    const isUseful = use === null || (family === 4 && use !== "loopback" && use !== "link-local");
    return isUseful && isWanted(family === 4 ? "." : ":");
  });
}

function ofFamily(resolver: Resolver, isWanted: (host: string) => boolean): Resolver {
  return {
    resolve: async (host, o) => {
      const found = (await resolver.resolve(host, o)).filter(isWanted);
      if (found.length > 0) return found;
      throw new NameError("missing", `Cannot find an address of ${host} of the other family`);
    },
  };
}
