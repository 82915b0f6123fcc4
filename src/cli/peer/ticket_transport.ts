import { JoinedListener } from "../../app/net/joined_listener.ts";
import type { DirectServer } from "../../app/system/server_name.ts";
import { endsWithTicket } from "../../app/system/ticket_server.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Listener } from "../../contract/dial.ts";
import { unpack } from "./packed.ts";
import { openTicketListener, openTicketServer } from "./ticket_way.ts";
import type { TicketTools, WayTools } from "./way_tools.ts";
import type { NamedTicket, TicketListen } from "./via_config.ts";

/** Milliseconds for one attempt, in which both ends meet at a server perhaps. */
const DEADLINE_MS = 30_000;

/** `peer:TICKET`: a server that has made a ticket. `at`: a packed NamedTicket. */
export function openPeerServer(at: string, tools: WayTools): DirectServer {
  const { name, untilMs, giveUpMs, ...place } = unpack<NamedTicket>(at);
  const server = openTicketServer(place, { name, deadlineMs: DEADLINE_MS }, tools);
  const { clock } = tools.platform;
  return endsWithTicket(server, { untilMs, wallClock: Date.now, giveUpMs, clock });
}

/** `peer:`: a listener that makes a ticket, which is printed. `at`: a packed TicketListen. */
export function openPeerListener(at: string, tools: TicketTools): Listener {
  const { port, log, signal } = tools;
  const tell = (line: string) => port.report({ kind: "print", line, isProgress: false });
  const { listeners, begin } = openTicketListener(unpack<TicketListen>(at), tell, tools);
  begin().catch((error) => {
    if (!signal.aborted) log.error(toTtunError(error).message);
  });
  return new JoinedListener(listeners);
}
