import assert from "node:assert/strict";
import type { StatusReport } from "../../core/status/report.ts";
import { statusDump } from "./dump.ts";

const SERVER: StatusReport = {
  version: 1,
  name: "office",
  command: "server",
  pid: 4711,
  seconds: 3725.9,
  listen: ["0.0.0.0:20203", "[::]:20203"],
  device: {
    name: "ttun0",
    mtu: 1400,
    addresses: ["10.9.0.1/24", "fd00::1/64"],
    sentPackets: 1,
    sentBytes: 2,
    receivedPackets: 3,
    receivedBytes: 4,
  },
  sessions: [{
    id: 3,
    peer: "192.0.2.1:40000",
    wire: "v2",
    cipher: "aes-256-gcm",
    idleSeconds: 7.9,
    seconds: 65.5,
    name: "lap\ttop\n",
    addresses: ["10.9.0.2/24"],
    sentBytes: 1_234_567,
    receivedBytes: 999,
    streams: 2,
    carriers: [{ number: 1, peer: "192.0.2.1:40000", rttMs: 12.345 }],
  }, {
    id: 4,
    peer: "192.0.2.2:40000",
    wire: "v1",
    seconds: 1,
    sentBytes: 0,
    receivedBytes: 0,
    carriers: [],
  }],
};

Deno.test("a dump has a line for the program and one for each session, the same fields in each", () => {
  const lines = statusDump(SERVER).split("\n");
  assert.deepEqual(lines.map((line) => line.split("\t")), [
    [
      ...["office", "end", "server", "4711", "3725", "-", "0.0.0.0:20203,[::]:20203", "ttun0"],
      ...["1400", "10.9.0.1/24,fd00::1/64", "2", "4", "-", "-"],
      ...["-", "-", "-", "-"],
    ],
    [
      ...["office", "session", "3", "192.0.2.1:40000", "v2", "65", "lap?top?", "10.9.0.2/24"],
      ...["1234567", "999", "2", "1", "12.345", "aes-256-gcm", "7"],
    ],
    [
      ...["office", "session", "4", "192.0.2.2:40000", "v1", "1", "-", "-"],
      ...["0", "0", "-", "0", "-", "-", "-"],
    ],
    [""],
  ]);
});

Deno.test("the machine's network, ports that hop and clients that are away are told", () => {
  const lines = statusDump({
    version: 1,
    name: "n",
    command: "client",
    pid: 1,
    seconds: 0,
    routes: [{ to: "10.0.0.0/8", by: "option" }, { to: "10.5.0.0/16", by: "server" }],
    defaultRoute: { isInForce: true, beside: [] },
    killSwitch: false,
    dns: { servers: ["10.5.0.1", "10.5.0.2"], search: [], by: "resolvconf" },
    hopPorts: [{ port: 20_345, state: "open", until: 1_764_457_500 }],
    absentClients: [{ name: "", addresses: ["10.5.0.2/24"], seconds: 5.9 }],
  }).split("\n");
  assert.equal(
    lines[0]!.split("\t").slice(-4).join(" "),
    "10.0.0.0/8,10.5.0.0/16 tunnel off 10.5.0.1,10.5.0.2",
  );
  assert.deepEqual(lines.slice(1), [
    "n\tport\t20345\topen\t1764457500",
    "n\tabsent\t-\t10.5.0.2/24\t5",
    "",
  ]);
});
