import assert from "node:assert/strict";
import type { RatedReport } from "../../core/status/rates.ts";
import type { MeshStatus, ToxStatus } from "../../core/status/report.ts";
import { bytesText, durationText, statusLine, statusText } from "./text.ts";

const CLIENT: RatedReport = {
  version: 1,
  name: "office",
  command: "client",
  pid: 4711,
  seconds: 3725,
  server: "vpn.example.net:20203",
  transports: ["tcp"],
  forwards: [{ kind: "local", listen: ["127.0.0.1:8080", "[::1]:8080"], to: "db:5432" }],
  connections: { open: 2, served: 30 },
  sessions: [{
    id: 3,
    peer: "192.0.2.1:20203",
    wire: "v2",
    cipher: "aes-256-gcm",
    idleSeconds: 7.9,
    seconds: 65,
    sentBytes: 1_234_567,
    receivedBytes: 999,
    streams: 2,
    keptBytes: 1500,
    carriers: [{ number: 1, peer: "192.0.2.1:20203", rttMs: 12.345 }, {
      number: 2,
      peer: "192.0.2.1:20204",
    }],
    rates: { sentBytesPerSecond: 1_000_000, receivedBytesPerSecond: 0 },
  }],
  rates: { sentBytesPerSecond: 1_000_000, receivedBytesPerSecond: 0 },
};

Deno.test("a client's status has its forwards, sessions, carriers, rates and round trips", () => {
  assert.equal(
    statusText(CLIENT),
    `office: ttun client, process 4711, up 1 h 2 min
  server       vpn.example.net:20203
  transport    tcp
  forward      127.0.0.1:8080 [::1]:8080 to db:5432
  connections  2 open, 30 since the start
  session 3    192.0.2.1:20203, wire v2, aes-256-gcm, up 1 min 5 s, last seen 7 s ago, 2 streams, 1.5 kB not acknowledged
    sent       1.2 MB, 1.0 MB/s
    received   999 B, 0 B/s
    carrier 1  192.0.2.1:20203, round trip 12.3 ms
    carrier 2  192.0.2.1:20204
`,
  );
});

Deno.test("what the other end names steers no terminal, and makes no line", () => {
  const rest = { sentBytes: 0, receivedBytes: 0, seconds: 1, idleSeconds: 1 };
  const target = "\x1b]0;owned\x07\n\u009b2J\u202e:80";
  const streamList = [{ id: 1, kind: "connect", isOwn: false, target, ...rest }] as const;
  const [session] = CLIENT.sessions!;
  const text = statusText({ ...CLIENT, sessions: [{ ...session!, streamList }] });
  assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u);
  assert.equal(text.split("\n").length, statusText(CLIENT).split("\n").length + 1);
});

Deno.test("streams are told one by one where the report has them, and the rest is counted", () => {
  const stream = { sentBytes: 12, receivedBytes: 1_500_000, seconds: 306, idleSeconds: 7.9 };
  const [session] = CLIENT.sessions!;
  const streamList = [
    { id: 1, kind: "connect", isOwn: true, target: "db:5432", ...stream },
    { id: 2, kind: "accepted", isOwn: false, target: "192.0.2.9:50000", ...stream },
  ] as const;
  const report = { ...CLIENT, sessions: [{ ...session!, streamList, unlistedStreams: 9000 }] };
  assert.equal(
    statusText(report).split("\n").slice(-4).join("\n"),
    `    stream 1   connect db:5432, sent 12 B, received 1.5 MB, open 5 min 6 s, idle 7 s
    stream 2   accepted (peer's) 192.0.2.9:50000, sent 12 B, received 1.5 MB, open 5 min 6 s, idle 7 s
               and 9000 more streams
`,
  );
});

Deno.test("a server's status has its device, and its clients with what they were given", () => {
  const text = statusText({
    version: 1,
    name: "server-1",
    command: "server",
    pid: 1,
    seconds: 3,
    listen: [":20203", "/run/x"],
    device: {
      name: "ttun0",
      mtu: 1280,
      addresses: ["10.5.0.1/24"],
      sentBytes: 1,
      receivedBytes: 2,
      sentPackets: 1,
      receivedPackets: 2,
    },
    sessions: [{
      ...CLIENT.sessions![0]!,
      name: "laptop",
      addresses: ["10.5.0.2/24"],
      streams: 1,
      keptBytes: 0,
      carriers: [],
    }],
  });
  assert.match(text, /^ {2}listens on {3}:20203 \/run\/x$/m);
  assert.match(text, /^ {2}device {7}ttun0, MTU 1280, 10\.5\.0\.1\/24, sent 1 B, received 2 B$/m);
  assert.match(
    text,
    /192\.0\.2\.1:20203, laptop, 10\.5\.0\.2\/24, wire v2, aes-256-gcm, up 1 min 5 s, last seen 7 s ago, 1 stream$/m,
  );
  assert.match(text, /^ {4}carrier {4}none at the moment$/m);
});

Deno.test("what has changed on the machine is told: routes, default route, name servers, NAT", () => {
  const text = statusText({
    ...CLIENT,
    routes: [
      { to: "10.0.0.0/8", by: "option" },
      { to: "192.168.5.0/24", by: "server" },
      { to: "192.168.6.0/24", by: "server" },
    ],
    defaultRoute: { isInForce: true, table: 6004, beside: ["192.168.1.0/24 on eth0"] },
    killSwitch: true,
    dns: { servers: ["10.5.0.1"], search: ["example.net"], by: "systemd-resolved" },
    nat: ["eth0 (IPv4)"],
  });
  assert.equal(
    text.split("\n").slice(3, 9).join("\n"),
    `  routes       10.0.0.0/8
  routes       192.168.5.0/24 192.168.6.0/24 (the server's)
  default      all traffic goes through the tunnel (table 6004), beside it 192.168.1.0/24 on eth0
  kill switch  in force
  NAT          eth0 (IPv4)
  name servers 10.5.0.1, search example.net, by systemd-resolved`,
  );
  const defaultRoute = { isInForce: false, beside: [] };
  assert.match(
    statusText({ ...CLIENT, defaultRoute }),
    /^ {2}default {6}not in force: the device/m,
  );
  const half = { isInForce: true, beside: [] };
  assert.match(statusText({ ...CLIENT, defaultRoute: half }), /tunnel \(half routes\)$/m);
});

Deno.test("a server's ports that hop, and clients that are away, have their times", () => {
  const text = statusText({
    ...CLIENT,
    hopPorts: [
      { port: 20_345, state: "open", until: 1_764_457_500 },
      { port: 23_456, state: "taken", until: 1_764_457_560 },
    ],
    absentClients: [
      { name: "laptop", addresses: ["10.5.0.2/24", "fd00::2/64"], seconds: 7200 },
      { name: "", addresses: ["10.5.0.3/24"], seconds: 5 },
    ],
  });
  assert.match(text, /^ {2}ports {8}20345 until 23:05 UTC, 23456 taken until 23:06 UTC$/m);
  assert.match(text, /^ {2}absent {7}laptop, 10.5.0.2\/24 fd00::2\/64, last seen 2 h 0 min ago$/m);
  assert.match(text, /^ {2}absent {7}10.5.0.3\/24, last seen 5 s ago$/m);
});

Deno.test("of several programs each has a line, with what its kind has", () => {
  assert.equal(
    statusLine(CLIENT),
    "office  client  process 4711  up 1 h 2 min  sessions 1  connections 2  sends 1.0 MB/s  " +
      "receives 0 B/s",
  );
  const proxy = { name: "p", command: "proxy client", pid: 2, seconds: 0 };
  const connections = { open: 0, served: 0, pending: 1 };
  assert.equal(
    statusLine({ version: 1, ...proxy, connections }),
    "p  proxy client  process 2  up 0 s  connections 0",
  );
  assert.match(
    statusText({ version: 1, ...proxy, connections }),
    /0 open, .*, 1 without a request/,
  );
  const relaying = { open: 0, served: 0, relayed: 1 };
  assert.match(statusText({ version: 1, ...proxy, connections: relaying }), /relayed +1 pair$/m);
  assert.match(statusText({ version: 1, ...proxy, sessions: [] }), /^ {2}sessions {5}none$/m);
});

Deno.test("bytes and times are told with the unit that fits", () => {
  assert.deepEqual([0, 999, 1000, 999_949, 999_950, 1.5e9].map(bytesText), [
    "0 B",
    "999 B",
    "1.0 kB",
    "999.9 kB",
    "1.0 MB",
    "1.5 GB",
  ]);
  assert.deepEqual([0.9, 59, 60, 3599, 3600, 86_399, 86_400, 1e6].map(durationText), [
    "0 s",
    "59 s",
    "1 min 0 s",
    "59 min 59 s",
    "1 h 0 min",
    "23 h 59 min",
    "1 d 0 h",
    "11 d 13 h",
  ]);
});

Deno.test("a server of Tox tells its network, its friends and their requests", () => {
  const { server: _, forwards: _forwards, ...rest } = CLIENT;
  const tox: ToxStatus = {
    id: "AB12",
    network: "relay",
    friends: { udp: 2, relay: 1 },
    requests: { letIn: 3, refused: 70 },
  };
  const text = statusText({ ...rest, command: "tox", sessions: [], tox });
  assert.match(text, /^ {2}Tox ID {7}AB12$/m);
  assert.match(text, /^ {2}Tox network {2}found, over relays$/m);
  assert.match(text, /^ {2}online {7}2 by UDP, 1 over a relay; requests: 3 let in, 70 refused$/m);
});

Deno.test("a node of a cluster tells its ring, its core and its links", () => {
  const { server: _, forwards: _forwards, ...rest } = CLIENT;
  const mesh: MeshStatus = {
    node: "ab12cd34ef56".padEnd(64, "0"),
    ...{ host: "h1", roles: ["node", "core"], ring: "stable", core: "ok" },
    nodes: { alive: 2, suspect: 0, dead: 1, left: 0 },
    links: { tcp: 2, quic: 0 },
    ...{ records: 7, bytes: 1500 },
  };
  const text = statusText({ ...rest, command: "mesh node", mesh });
  assert.match(text, /^ {2}node {9}ab12cd34ef56 on h1, node, core$/m);
  assert.match(text, /^ {2}ring {9}stable, other nodes: 2 alive, 1 dead$/m);
  assert.match(text, /^ {2}core {9}at another node$/m);
  assert.match(text, /^ {2}links {8}2 by TCP, 0 by QUIC$/m);
  assert.match(text, /^ {2}records {6}7, 1\.5 kB$/m);
});
