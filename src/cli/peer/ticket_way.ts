import { openCandidateDialer } from "../../app/system/candidate_dialer.ts";
import { openMeetingDialer } from "../../app/system/meeting_dialer.ts";
import { openMeetingListener } from "../../app/system/meeting_listener.ts";
import type { MeetingOptions } from "../../app/system/meeting_options.ts";
import type { ReachedServer } from "../../app/system/ticket_server.ts";
import { JoinedListener } from "../../app/net/joined_listener.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Listener } from "../../contract/dial.ts";
import { ownCandidates } from "../../core/ticket/own_candidates.ts";
import { formatTicket, ticketMeeting } from "../../core/ticket/ticket.ts";
import { ticketName } from "../../core/ticket/ticket_text.ts";
import { openPunchPorts, type PunchPorts } from "../../io/punch/punch_net.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { rng } from "../platform/rng.ts";
import { askOutside } from "./ask_outside.ts";
import { openPunch, ownNetworks } from "./peer_sockets.ts";
import type { WayTools } from "./way_tools.ts";
import type { TicketListen, TicketPlace, ViaConfig } from "./via_config.ts";

/** Returns a way to the end that has made a ticket. */
export function openTicketServer(
  { candidates, meeting, via }: TicketPlace,
  { name, deadlineMs }: { readonly name: string; readonly deadlineMs: number },
  tools: WayTools,
): ReachedServer {
  const { platform, log, signal } = tools;
  const { clock } = platform;
  if (via === null || meeting === null) {
    if (meeting !== null) {
      log.warn("the other end waits at a server too, which --via would name here as well");
    }
    const dialer = platform.openNet({ io: "ffi", mptcp: false, segmentBytes: {} }, log);
    return { name, ...named(openCandidateDialer({ candidates, dialer, clock, rng, deadlineMs })) };
  }
  const sockets = openPunch(tools);
  const attempt = () => {
    const ports = openPunchPorts(sockets, 0, { signal });
    const { listeners } = ports;
    return {
      ...meetingOptions(via, ports, tools),
      id: meeting,
      known: candidates,
      listeners,
      deadlineMs,
    };
  };
  return { name, ...named(openMeetingDialer({ rng, attempt })) };
}

function named(dialer: ReturnType<typeof openMeetingDialer>) {
  return { dialer, reach: dialer.reach };
}

/** Waits for whoever has the ticket, which `tell` gets when others can come. */
export function openTicketListener(
  task: TicketListen,
  tell: (ticket: string) => void,
  tools: WayTools,
): { listeners: readonly Listener[]; begin: () => Promise<void> } {
  const { opened, signal } = tools;
  const { via, ticketKey, codeWords } = task;
  const ports = openPunchPorts(openPunch(tools), task.localPort ?? 0, { signal });
  const direct = opened.use(new JoinedListener(ports.listeners));
  const begun = Promise.withResolvers<number>();
  const absent = Promise.withResolvers<void>();
  const meeting = via === null ? null : opened.use(openMeetingListener({
    ...meetingOptions(via, ports, tools),
    id: codeWords === null ? ticketMeeting(ticketKey) : null,
    onMeeting: begun.resolve,
    // A code is nothing without the server; a ticket has addresses of its own.
    ...(codeWords === null && { onAbsent: absent.resolve }),
    signal,
  }));
  if (meeting === null) begun.resolve(0);
  return {
    listeners: meeting === null ? [direct] : [direct, meeting],
    begin: async () => {
      if (codeWords === null) {
        await Promise.race([begun.promise, absent.promise]);
        return tell(await makeTicket(task, ports, tools, begun.promise));
      }
      const number = await begun.promise;
      tools.log.info("waiting for the other end", {
        code: `${number}-…`,
        via: formatAddr(via!.server),
      });
      tell(`${number}-${codeWords}`);
    },
  };
}

/** `begun`: this end is at the meeting; a ticket without addresses is for nothing before. */
async function makeTicket(
  { myIp, stun, ticketKey, ttlMs, via }: TicketListen,
  ports: PunchPorts,
  tools: WayTools,
  begun: Promise<unknown>,
): Promise<string> {
  const { log, opened } = tools;
  const said: HostPort[] = myIp === undefined ? [] : [{ host: myIp, port: ports.port }];
  if (stun !== undefined) {
    const { found, server } = await askOutside(stun, ports.port, ports.dialer, null, tools);
    opened.use(server); // the NAT keeps the port open
    said.push(found);
  }
  const own = ownNetworks(tools).map(({ bytes }) => bytes);
  const candidates = ownCandidates({ said, own, port: ports.port });
  if (candidates.length === 0) {
    if (via === null) throw nowhere();
    await begun;
  }
  const expires = Math.ceil((Date.now() + ttlMs) / 1000);
  const ticket = formatTicket({ key: ticketKey, candidates, expires, meets: via !== null });
  log.info("waiting for the peer", {
    ticket: ticketName(ticket),
    addresses: candidates.map(formatAddr).join(" "),
    ...(via !== null && { via: formatAddr(via.server) }),
  });
  return ticket;
}

function meetingOptions(
  { server, link, s }: ViaConfig,
  { dialer, port }: PunchPorts,
  tools: WayTools,
): MeetingOptions {
  const { platform: { clock }, ciphers, resolver, log } = tools;
  const secrets = wireSecrets(link, ciphers, s);
  return {
    via: { name: formatAddr(server), server, dialer, resolver, secrets },
    ownNetworks: () => ownNetworks(tools),
    ...{ dialer, port, clock, rng, log },
  };
}

function nowhere(): TtunError {
  return new TtunError(
    "usage",
    "Cannot make a ticket: this machine has no address that another could reach; give --my-ip, " +
      "--stun or --via",
  );
}
