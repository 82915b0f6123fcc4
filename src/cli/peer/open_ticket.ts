import { runPeerClient } from "../../app/system/peer_client.ts";
import { runPeerServer } from "../../app/system/peer_server.ts";
import { dialOneOf } from "../../app/net/dial_host.ts";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import { ownCandidates } from "../../core/ticket/own_candidates.ts";
import { formatTicket, ticketName } from "../../core/ticket/ticket.ts";
import { openPunchPorts, type PunchPorts } from "../../io/punch/punch_net.ts";
import { interfaceAddresses } from "../../io/netcfg/own_addresses.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import { rng } from "../platform/rng.ts";
import { askOutside, type PeerTools } from "./own_address.ts";
import { KEEP_MS } from "./keep.ts";
import type { ConnectTask, ListenTask, PeerStart } from "./plane_config.ts";

/** Makes a ticket, prints it, and is a pipe to whoever comes with it first. */
export function openListen(task: ListenTask, tools: PeerTools): OpenedPlane<PeerStart> {
  const { platform, ciphers, opened, log, signal, port } = tools;
  const { clock, libc } = platform;
  const reactor = platform.reactor!;
  const { keeps, link, stun, ticketKey, ttlMs } = task;
  const ports = openPunchPorts(reactor, task.localPort ?? 0, { signal });
  for (const listener of ports.listeners) opened.use(listener);
  const stdio = opened.use(new StdioStream({ reactor, signal }));
  return {
    facts: {},
    run: async ({ s }) => {
      const said = task.myIp === undefined ? [] : [{ host: task.myIp, port: ports.port }];
      const outside = stun === undefined ? null : await askStunFrom(ports, stun, tools);
      await using _kept = outside?.server; // the NAT keeps the port open
      if (outside !== null) said.push(outside.found);
      const own = interfaceAddresses(libc!);
      const candidates = ownCandidates({ said, own, port: ports.port });
      if (candidates.length === 0) throw nowhere();
      const expires = Math.ceil((Date.now() + ttlMs) / 1000);
      const ticket = formatTicket({ key: ticketKey, candidates, expires, meets: false });
      log.info("waiting for the peer", {
        ticket: ticketName(ticket),
        addresses: candidates.map(formatAddr).join(" "),
      });
      port.report({ kind: "print", line: ticket, isProgress: false });
      await runPeerServer({
        ...common(log),
        ...{ stdio, clock, log, signal },
        secrets: wireSecrets(link, ciphers, s!),
        keepMs: keeps ? KEEP_MS : 0,
        way: { listeners: ports.listeners, waitMs: ttlMs },
      });
      log.info("Peer closed connection");
    },
  };
}

/** A pipe to the peer that has made a ticket. */
export function openConnect(task: ConnectTask, tools: PeerTools): OpenedPlane<PeerStart> {
  const { platform, ciphers, opened, log, signal } = tools;
  const { clock } = platform;
  const reactor = platform.reactor!;
  const { candidates, deadlineMs, keeps, link } = task;
  const net = platform.openNet({ io: "ffi", mptcp: false, segmentBytes: {} }, log);
  const stdio = opened.use(new StdioStream({ reactor, signal }));
  return {
    facts: {},
    run: async ({ s }) => {
      const way = new TriedCandidates(candidates);
      log.info("connecting", { addresses: candidates.map(formatAddr).join(" ") });
      await runPeerClient({
        ...common(log),
        ...{ stdio, clock, log, signal },
        secrets: wireSecrets(link, ciphers, s!),
        keepMs: keeps ? KEEP_MS : 0,
        instance: rng(ID_SIZE),
        reach: async (signal) => {
          const o = { dialer: net, clock, signal, timeoutMs: deadlineMs };
          const stream = await dialOneOf(way.order, o);
          if ("host" in stream.remote) way.tried(stream.remote);
          return stream;
        },
        mayRetry: () => way.hasMore,
      });
      log.info("Peer closed connection");
    },
  };
}

/** Another machine may answer at an address of the ticket: those that answered go last. */
class TriedCandidates {
  #order: readonly HostPort[];
  #left: number;

  constructor(candidates: readonly HostPort[]) {
    this.#order = candidates;
    this.#left = candidates.length;
  }

  get order(): readonly HostPort[] {
    return this.#order;
  }

  get hasMore(): boolean {
    return this.#left > 0;
  }

  tried({ host, port }: HostPort): void {
    const isIt = (one: HostPort) => one.host === host && one.port === port;
    this.#order = [...this.#order.filter((one) => !isIt(one)), ...this.#order.filter(isIt)];
    this.#left--;
  }
}

function common(log: PeerTools["log"]) {
  return { onUp: () => log.info("Connected to peer!") };
}

function askStunFrom(ports: PunchPorts, stun: HostPort, tools: PeerTools) {
  return askOutside(stun, ports.port, ports.dialer, null, tools);
}

function nowhere(): TtunError {
  return new TtunError(
    "usage",
    "Cannot make a ticket: this machine has no address that another could reach; give --my-ip or " +
      "--stun",
  );
}
