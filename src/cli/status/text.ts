import type { RatedReport, RatedSession, Rates } from "../../core/status/rates.ts";
import type {
  AbsentClientStatus,
  AgentStatus,
  CarrierStatus,
  DefaultRouteStatus,
  ForwardStatus,
  HopPortStatus,
  MeshStatus,
  StreamStatus,
  ToxStatus,
  TrafficStatus,
} from "../../core/status/report.ts";
import { escapeControls } from "../output/log_writer.ts";

/** Width of the names in front of facts. */
const LABEL = 13;

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** All facts of a program, for people. */
export function statusText(report: RatedReport): string {
  const { name, command, pid, seconds, device, forwards = [], connections, sessions } = report;
  const { rates } = report;
  const lines = [`${name}: ttun ${command}, process ${pid}, up ${durationText(seconds)}`];
  const fact = (label: string, text: string) => lines.push(`  ${label.padEnd(LABEL)}${text}`);
  if (report.server !== undefined) fact("server", report.server);
  if (report.transports !== undefined) fact("transport", report.transports.join(" "));
  if (report.listen !== undefined) fact("listens on", report.listen.join(" "));
  if (device !== undefined) {
    const traffic = trafficText(device);
    fact("device", `${device.name}, MTU ${device.mtu}, ${device.addresses.join(" ")}, ${traffic}`);
  }
  for (const [label, text] of networkFacts(report)) fact(label, text);
  for (const [label, text] of toxFacts(report.tox)) fact(label, text);
  for (const [label, text] of meshFacts(report.mesh)) fact(label, text);
  for (const [label, text] of agentFacts(report.agent)) fact(label, text);
  for (const forward of forwards) fact("forward", forwardText(forward));
  if (connections !== undefined) {
    const { open, served, pending, relayed } = connections;
    const more = pending === undefined ? "" : `, ${pending} without a request`;
    fact("connections", `${open} open, ${served} since the start${more}`);
    if (relayed !== undefined) fact("relayed", `${relayed} ${relayed === 1 ? "pair" : "pairs"}`);
    const { sentBytes, receivedBytes } = connections;
    if (sentBytes !== undefined && receivedBytes !== undefined && rates !== undefined) {
      fact("sent", `${bytesText(sentBytes)}, ${rateText(rates.sentBytesPerSecond)}`);
      fact("received", `${bytesText(receivedBytes)}, ${rateText(rates.receivedBytesPerSecond)}`);
    }
  }
  if (sessions?.length === 0) fact("sessions", "none");
  for (const session of sessions ?? []) lines.push(...sessionLines(session));
  for (const client of report.absentClients ?? []) fact("absent", absentText(client));
  // Targets of streams, which the other end names, could steer the terminal.
  return `${lines.map(escapeControls).join("\n")}\n`;
}

/** The machine's network, and ports that hop. */
function networkFacts(report: RatedReport): [label: string, text: string][] {
  const { routes = [], defaultRoute, killSwitch, nat, dns, hopPorts } = report;
  const facts: [string, string][] = [];
  for (const by of ["option", "server"] as const) {
    const own = routes.filter((route) => route.by === by).map(({ to }) => to);
    const from = by === "server" ? " (the server's)" : "";
    if (own.length > 0) facts.push(["routes", `${own.join(" ")}${from}`]);
  }
  if (defaultRoute !== undefined) facts.push(["default", defaultText(defaultRoute)]);
  if (killSwitch !== undefined) facts.push(["kill switch", killSwitch ? "in force" : "off"]);
  if (nat !== undefined) facts.push(["NAT", nat.join(", ")]);
  if (dns !== undefined) {
    const search = dns.search.length === 0 ? "" : `, search ${dns.search.join(" ")}`;
    facts.push(["name servers", `${dns.servers.join(" ")}${search}, by ${dns.by}`]);
  }
  if (hopPorts !== undefined) facts.push(["ports", hopPorts.map(portText).join(", ") || "none"]);
  return facts;
}

function toxFacts(tox: ToxStatus | undefined): [label: string, text: string][] {
  if (tox === undefined) return [];
  const { id, network, friends: { udp, relay }, requests } = tox;
  const ways = { udp: "found, by UDP", relay: "found, over relays", none: "not found" };
  const asked = requests === undefined
    ? ""
    : `; requests: ${requests.letIn} let in, ${requests.refused} refused`;
  return [
    ["Tox ID", id],
    ["Tox network", ways[network]],
    ["online", `${udp} by UDP, ${relay} over a relay${asked}`],
  ];
}

function meshFacts(mesh: MeshStatus | undefined): [label: string, text: string][] {
  if (mesh === undefined) return [];
  const { node, host, roles, ring, core, nodes, links, records, bytes } = mesh;
  const cores = { here: "here", ok: "at another node", degraded: "not reached", etcd: "in etcd" };
  const gone = Object.entries(nodes).filter(([status, count]) => status !== "alive" && count > 0)
    .map(([status, count]) => `, ${count} ${status}`).join("");
  return [
    ["node", `${node.slice(0, 12)} on ${host}, ${roles.join(", ")}`],
    ["ring", `${ring}, other nodes: ${nodes.alive} alive${gone}`],
    ["core", cores[core]],
    ["links", `${links.tcp} by TCP, ${links.quic} by QUIC`],
    ["records", `${records}, ${bytesText(bytes)}`],
  ];
}

function agentFacts(agent: AgentStatus | undefined): [label: string, text: string][] {
  if (agent === undefined) return [];
  const { apex, certificateEnds, gateways, services } = agent;
  const ends = new Date(certificateEnds * 1000).toISOString().slice(0, 16).replace("T", " ");
  return [
    ["certificate", `until ${ends} UTC`],
    ...gateways.map(({ at, isUp, fault }): [string, string] => {
      return ["gateway", isUp ? `${at}, linked` : `${at}, not linked: ${fault ?? "not yet"}`];
    }),
    ...services.map(({ name, open, answers, fault, ...bytes }): [string, string] => {
      const count = Object.values(answers).reduce((sum, one) => sum + one, 0);
      const traffic = count + open === 0
        ? ""
        : `, ${open} requests open, ${count} answered, ${trafficText(bytes)}`;
      const state = fault === undefined ? "" : `, not reachable: ${fault}`;
      return ["service", `${name}.${apex}${state}${traffic}`];
    }),
  ];
}

function defaultText({ isInForce, table, beside }: DefaultRouteStatus): string {
  if (!isInForce) return "not in force: the device is down";
  const where = table === undefined ? "half routes" : `table ${table}`;
  const kept = beside.length === 0 ? "" : `, beside it ${beside.join(", ")}`;
  return `all traffic goes through the tunnel (${where})${kept}`;
}

/** Such as `20345 until 14:05 UTC`, the end of a minute. */
function portText({ port, state, until }: HopPortStatus): string {
  const time = new Date(until * 1000).toISOString().slice(11, 16);
  return `${port} ${state === "open" ? "" : `${state} `}until ${time} UTC`;
}

function absentText({ name, addresses, seconds }: AbsentClientStatus): string {
  const who = [...(name === "" ? [] : [name]), addresses.join(" ")].join(", ");
  return `${who}, last seen ${durationText(seconds)} ago`;
}

/** Such as `127.0.0.1:8080 [::1]:8080 to db:5432`. */
export function forwardText({ kind, listen, to, isListening = true }: ForwardStatus): string {
  const where = kind === "remote" ? "server's " : "";
  return `${where}${listen.join(" ")} to ${to}${isListening ? "" : " (does not listen)"}`;
}

function sessionLines(session: RatedSession): string[] {
  const { id, peer, wire, cipher, seconds, idleSeconds, name, addresses, streams, keptBytes = 0 } =
    session;
  const { carriers, sentBytes, receivedBytes, rates } = session;
  const { streamList = [], unlistedStreams = 0 } = session;
  const known = [
    ...(name === undefined ? [] : [name]),
    ...(addresses === undefined ? [] : [addresses.join(" ")]),
    `wire ${wire}`,
    ...(cipher === undefined ? [] : [cipher]),
    `up ${durationText(seconds)}`,
    ...(idleSeconds === undefined ? [] : [`last seen ${durationText(idleSeconds)} ago`]),
    ...(streams === undefined ? [] : [`${streams} stream${streams === 1 ? "" : "s"}`]),
    ...(keptBytes === 0 ? [] : [`${bytesText(keptBytes)} not acknowledged`]),
  ];
  const line = (label: string, text: string) => `    ${label.padEnd(LABEL - 2)}${text}`;
  return [
    `  ${`session ${id}`.padEnd(LABEL)}${peer}, ${known.join(", ")}`,
    line("sent", `${bytesText(sentBytes)}, ${rateText(rates.sentBytesPerSecond)}`),
    line("received", `${bytesText(receivedBytes)}, ${rateText(rates.receivedBytesPerSecond)}`),
    ...(carriers.length === 0 ? [line("carrier", "none at the moment")] : []),
    ...carriers.map((carrier) => line(`carrier ${carrier.number}`, carrierText(carrier))),
    ...streamList.map((stream) => line(`stream ${stream.id}`, streamText(stream))),
    ...(unlistedStreams > 0 ? [line("", `and ${unlistedStreams} more streams`)] : []),
  ];
}

/** Such as `connect db:5432, sent 12 B, received 1.5 MB, open 5 min 6 s, idle 7 s`. */
function streamText(stream: StreamStatus): string {
  const { kind, isOwn, target, seconds, idleSeconds } = stream;
  const times = `open ${durationText(seconds)}, idle ${durationText(idleSeconds)}`;
  const words = isOwn ? kind : `${kind} (peer's)`;
  return `${words} ${target}, ${trafficText(stream)}, ${times}`;
}

function trafficText({ sentBytes, receivedBytes }: TrafficStatus): string {
  return `sent ${bytesText(sentBytes)}, received ${bytesText(receivedBytes)}`;
}

function carrierText({ peer, rttMs }: CarrierStatus): string {
  return rttMs === undefined ? peer : `${peer}, round trip ${msText(rttMs)}`;
}

/** One line of a program, for a list of several; fields are separated by two blanks. */
export function statusLine(report: RatedReport): string {
  const { name, command, pid, seconds, sessions, connections, rates } = report;
  return [
    name,
    command,
    `process ${pid}`,
    `up ${durationText(seconds)}`,
    ...(sessions === undefined ? [] : [`sessions ${sessions.length}`]),
    ...(connections === undefined ? [] : [`connections ${connections.open}`]),
    ...(rates === undefined ? [] : [ratesText(rates)]),
  ].join("  ");
}

function ratesText({ sentBytesPerSecond, receivedBytesPerSecond }: Rates): string {
  return `sends ${rateText(sentBytesPerSecond)}  receives ${rateText(receivedBytesPerSecond)}`;
}

export function rateText(bytesPerSecond: number): string {
  return `${bytesText(bytesPerSecond)}/s`;
}

/** Such as `12.3 MB`; a unit is a thousand of the one before. */
export function bytesText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 999.95 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Such as `3 d 4 h`, `5 min 6 s` or `7 s`. */
export function durationText(seconds: number): string {
  const whole = Math.floor(seconds);
  const [s, min, h] = [whole % 60, Math.floor(whole / 60) % 60, Math.floor(whole / 3600) % 24];
  const d = Math.floor(whole / 86_400);
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${min} min`;
  return min > 0 ? `${min} min ${s} s` : `${s} s`;
}

export function msText(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
}
