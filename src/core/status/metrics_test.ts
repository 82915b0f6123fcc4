import assert from "node:assert/strict";
import { isReady, type MetricsSource, metricsText } from "./metrics.ts";
import type { SessionStatus, ToxStatus } from "./report.ts";

const session: SessionStatus = {
  id: 3,
  peer: "192.0.2.1:40000",
  wire: "v2",
  seconds: 12.5,
  sentBytes: 100,
  receivedBytes: 2 ** 40,
  name: 'lap"top\\\n',
  streams: 4,
  keptBytes: 9,
  carriers: [{ number: 1, peer: "a" }, { number: 2, peer: "b", rttMs: 12.5 }],
};

const FULL: MetricsSource = {
  version: "1.2.3",
  command: "client",
  seconds: 60.25,
  startedAt: 1_790_000_000,
  server: "example.net:20203",
  device: {
    ...{ name: "ttun0", mtu: 1400, addresses: [] },
    ...{ sentBytes: 1, receivedBytes: 2, sentPackets: 3, receivedPackets: 4 },
  },
  connections: { open: 5, served: 6, pending: 7, relayed: 2, sentBytes: 8, receivedBytes: 9 },
  forwards: [{ kind: "local", listen: ["127.0.0.1:80"], to: "x:1" }],
  sessions: [session, { ...session, id: 4 }],
};

/** Samples by their whole names, and the lines that are none. */
function parse(text: string) {
  const samples = new Map<string, number>();
  const [helps, types] = [new Set<string>(), new Map<string, string>()];
  let current = "";
  assert.ok(text.endsWith("\n"));
  for (const line of text.trimEnd().split("\n")) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      current = comment[2]!;
      if (comment[1] === "HELP") helps.add(current);
      else types.set(current, comment[3]!);
      continue;
    }
    const sample =
      /^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.e+]+)$/.exec(
        line,
      );
    assert.ok(sample, line);
    assert.equal(sample[1], current, "values of one name come one behind the other");
    const whole = sample[1]! + (sample[2] ?? "");
    assert.ok(!samples.has(whole), whole);
    samples.set(whole, Number(sample[3]));
  }
  return { samples, helps, types };
}

Deno.test("metrics: each has a help and a type, counters and they alone end in _total, base units", () => {
  const { samples, helps, types } = parse(metricsText(FULL));
  const names = [...samples.keys()].map((name) => name.split("{")[0]!);
  for (const name of names) {
    assert.match(name, /^ttun_/);
    assert.ok(helps.has(name) && types.has(name), name);
    assert.equal(types.get(name) === "counter", name.endsWith("_total"), name);
    assert.doesNotMatch(name, /_(ms|kb|minutes)(_|$)/);
  }
  assert.equal(new Set(names).size, types.size);
});

Deno.test("metrics: the values are those of the report", () => {
  const { samples } = parse(metricsText(FULL));
  const labels = '{session="3",peer="192.0.2.1:40000",client="lap\\"top\\\\\\n"}';
  assert.equal(samples.get('ttun_info{version="1.2.3",command="client"}'), 1);
  assert.equal(samples.get("ttun_uptime_seconds"), 60.25);
  assert.equal(samples.get('ttun_device_received_packets_total{device="ttun0"}'), 4);
  assert.equal(samples.get("ttun_connections_total"), 6);
  assert.equal(samples.get("ttun_relayed_pairs"), 2);
  assert.equal(samples.get("ttun_forwards"), 1);
  assert.equal(samples.get("ttun_sessions"), 2);
  assert.equal(samples.get(`ttun_session_received_bytes_total${labels}`), 2 ** 40);
  assert.equal(samples.get(`ttun_session_round_trip_seconds${labels}`), 0.0125);
});

Deno.test("metrics: what is not known is left out, and of many sessions the sums alone are told", () => {
  const bare = parse(metricsText({ version: "1", command: "server", seconds: 1, startedAt: 2 }));
  assert.deepEqual([...bare.types.keys()], [
    "ttun_info",
    "ttun_start_time_seconds",
    "ttun_uptime_seconds",
    "ttun_ready",
  ]);
  const sessions = Array.from({ length: 1000 }, (_, id) => ({ ...session, id }));
  const { samples } = parse(metricsText({ ...FULL, sessions }));
  assert.equal(samples.get("ttun_sessions"), 1000);
  assert.ok(samples.size < 1000);
});

Deno.test("a client is ready with a session that has a connection, all else when it runs", () => {
  assert.equal(isReady({ listen: ["[::]:20203"], sessions: [] }), true);
  assert.equal(isReady({ server: "a" }), true);
  assert.equal(isReady({ server: "a", sessions: [] }), false);
  assert.equal(isReady({ server: "a", sessions: [{ ...session, carriers: [] }] }), false);
  assert.equal(isReady({ server: "a", sessions: [session] }), true);
});

Deno.test("metrics: an end of Tox tells its friends by their ways, and a server its requests", () => {
  const tox: ToxStatus = {
    id: "AB",
    network: "udp",
    friends: { udp: 2, relay: 1 },
    requests: { letIn: 3, refused: 70 },
  };
  const { samples } = parse(metricsText({ ...FULL, tox }));
  assert.equal(samples.get("ttun_tox_online"), 1);
  assert.equal(samples.get('ttun_tox_friends{way="udp"}'), 2);
  assert.equal(samples.get('ttun_tox_friends{way="relay"}'), 1);
  assert.equal(samples.get('ttun_tox_requests_total{verdict="let in"}'), 3);
  assert.equal(samples.get('ttun_tox_requests_total{verdict="refused"}'), 70);
  const { id, friends } = tox;
  const client = parse(metricsText({ ...FULL, tox: { id, friends, network: "none" } })).samples;
  assert.equal(client.get("ttun_tox_online"), 0);
  assert.ok(![...client.keys()].some((name) => name.startsWith("ttun_tox_requests")));
});
