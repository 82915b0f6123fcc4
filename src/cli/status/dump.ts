import type { DefaultRouteStatus, SessionStatus, StatusReport } from "../../core/status/report.ts";

/**
 * Lines for scripts, as `wg show dump` prints them: fields that a tab separates, a field that there
 * is none of as `-`. A line `end` for the program, `port` for each port that hops, `session` for
 * each session, and `absent` for each client that is away.
 */
export function statusDump(report: StatusReport): string {
  const { name, command, pid, seconds, server, listen, device, connections, sessions } = report;
  const end = [
    ...[name, "end", command, pid, Math.floor(seconds), server, listen?.join(",")],
    ...[device?.name, device?.mtu, device?.addresses.join(",")],
    ...[device?.sentBytes, device?.receivedBytes, connections?.open, connections?.served],
    ...[report.routes?.map(({ to }) => to).join(","), defaultState(report.defaultRoute)],
    ...[switchState(report.killSwitch), report.dns?.servers.join(",")],
  ];
  const all = [
    end,
    ...(report.hopPorts ?? []).map((one) => [name, "port", one.port, one.state, one.until]),
    ...(sessions ?? []).map((session) => sessionFields(name, session)),
    ...(report.absentClients ?? []).map((client) => [
      ...[name, "absent", client.name, client.addresses.join(","), Math.floor(client.seconds)],
    ]),
  ];
  return all.map((fields) => `${fields.map(fieldText).join("\t")}\n`).join("");
}

function defaultState(route: DefaultRouteStatus | undefined): string | undefined {
  return route === undefined ? undefined : route.isInForce ? "tunnel" : "down";
}

function switchState(isInForce: boolean | undefined): string | undefined {
  return isInForce === undefined ? undefined : isInForce ? "on" : "off";
}

function sessionFields(end: string, session: SessionStatus): (string | number | undefined)[] {
  const { id, peer, wire, seconds, name, addresses, streams, carriers } = session;
  return [
    ...[end, "session", id, peer, wire, Math.floor(seconds), name, addresses?.join(",")],
    ...[session.sentBytes, session.receivedBytes, streams, carriers.length, carriers.at(-1)?.rttMs],
    ...[
      session.cipher,
      session.idleSeconds === undefined ? undefined : Math.floor(session.idleSeconds),
    ],
  ];
}

/** Tabs and ends of lines in a name would make other fields and lines of it. */
function fieldText(field: string | number | undefined): string {
  return field === undefined || field === "" ? "-" : `${field}`.replace(/\p{Cc}/gu, "?");
}
