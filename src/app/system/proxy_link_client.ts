import { abortable, type Scope } from "../../base/scope.ts";
import type { Outbound } from "../../contract/outbound.ts";
import { MinutePorts } from "../../core/hop/minute_ports.ts";
import { HopDialer } from "../hop/hop_dialer.ts";
import { MuxClient } from "../mux/mux_client.ts";
import { congestionField, Tuner } from "../net/socket_options.ts";
import type { UdpAssociations } from "../proxy/udp_association.ts";
import type { ProxyClientOptions, ProxyLinkUse } from "./proxy_options.ts";
import { WireChoice } from "./wire_choice.ts";

export interface ProxyLinkOptions extends ProxyClientOptions {
  readonly use: ProxyLinkUse;
  /** The way by tt. */
  readonly tt: Outbound;
  /** Called when tt is spoken with the server, since it does not answer version 2. */
  readonly onTt: () => void;
  readonly tasks: Scope;
  readonly stack: DisposableStack;
}

export interface ProxyLinkWay {
  readonly outbound: Outbound;
  /** Undefined = there are no sockets for datagrams. */
  readonly udp: UdpAssociations | undefined;
}

/** Opens a client's way to targets by version 2 of the link, or by tt where it has no answer. */
export function openProxyLink(o: ProxyLinkOptions): ProxyLinkWay {
  const { clock, log, use, onTt, server: host, stack, tasks, wallClock } = o;
  const tuner = new Tuner(log, o.wire.congestion);
  const ports = stack.use(new MinutePorts(o.password, o.wire.range));
  const hop = new HopDialer({ ...o, host, ports, wallClock });
  const choice = new WireChoice({
    reach: (meeting) =>
      hop.reach({
        ...meeting,
        meet: (stream, proved) => {
          tuner.tune(stream);
          return meeting.meet(stream, proved);
        },
      }),
    tt: use.secrets.mode === "v2" ? null : o.tt,
    clock,
    log,
    onTt,
  });
  let client: MuxClient | null = null;
  tasks.spawn(async (signal) => {
    const s = await abortable(use.secretOf({ name: "", password: o.password }), signal);
    client = new MuxClient({
      reach: choice.reach,
      secrets: { ...use.secrets, s },
      clock,
      log,
      instance: use.instance,
      keepMs: use.keepMs,
      retries: Infinity,
      sessions: use.sessions,
      facts: congestionField,
    });
    choice.use(client);
    await client.run(signal);
  });
  const { bind } = use;
  return {
    outbound: choice,
    udp: bind === null ? undefined : {
      bind,
      isPossible: () => choice.isLink && client?.outbound.hasDatagrams === true,
      open: (events) => client?.outbound.openDatagrams(events) ?? null,
      clock,
      signal: tasks.signal,
    },
  };
}
