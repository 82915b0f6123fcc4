import type { AgentStatus, EndStatus, SessionStatus, ToxStatus } from "./report.ts";

/** Sessions that have metrics of their own; of more there are the sums alone. */
const MOST_SESSIONS = 64;

export interface MetricsSource extends EndStatus {
  readonly version: string;
  readonly command: string;
  /** Seconds since the start, and since 1970 at the start. */
  readonly seconds: number;
  readonly startedAt: number;
}

/** The media type of the text. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Kind = "gauge" | "counter";
type Labels = Readonly<Record<string, string | number>>;

/** Returns the metrics as text in the format of Prometheus (text exposition format 0.0.4). */
export function metricsText(source: MetricsSource): string {
  const page = new Page();
  const { version, command, seconds, startedAt, device, connections, forwards, sessions } = source;
  page.gauge("ttun_info", "Version and command of this ttun.", 1, { version, command });
  page.gauge("ttun_start_time_seconds", "When it was started, in seconds since 1970.", startedAt);
  page.gauge("ttun_uptime_seconds", "How long it has been running.", seconds);
  page.gauge(
    "ttun_ready",
    "1 if it serves, and a client has a session with its server.",
    isReady(source) ? 1 : 0,
  );
  if (device !== undefined) {
    const of = { device: device.name };
    page.gauge("ttun_device_mtu_bytes", "MTU of the device.", device.mtu, of);
    page.counter(
      "ttun_device_sent_bytes_total",
      "Bytes of packets sent to the other end.",
      device.sentBytes,
      of,
    );
    page.counter(
      "ttun_device_received_bytes_total",
      "Bytes of packets received from the other end.",
      device.receivedBytes,
      of,
    );
    page.counter(
      "ttun_device_sent_packets_total",
      "Packets sent to the other end.",
      device.sentPackets,
      of,
    );
    page.counter(
      "ttun_device_received_packets_total",
      "Packets received from the other end.",
      device.receivedPackets,
      of,
    );
  }
  if (connections !== undefined) {
    const { open, served, pending, relayed, sentBytes, receivedBytes } = connections;
    page.gauge("ttun_connections_open", "Connections of forwards or a proxy now.", open);
    page.counter(
      "ttun_connections_total",
      "Connections of forwards or a proxy since the start.",
      served,
    );
    page.gauge("ttun_connections_pending", "Connections without a request so far.", pending);
    page.gauge("ttun_relayed_pairs", "Pairs of clients that go through the server now.", relayed);
    page.counter(
      "ttun_connections_sent_bytes_total",
      "Bytes of connections sent to the other end.",
      sentBytes,
    );
    page.counter(
      "ttun_connections_received_bytes_total",
      "Bytes of connections received from the other end.",
      receivedBytes,
    );
  }
  page.gauge("ttun_forwards", "Forwards.", forwards?.length);
  if (source.tox !== undefined) describeTox(page, source.tox);
  if (source.agent !== undefined) describeAgent(page, source.agent);
  if (sessions !== undefined) describeSessions(page, sessions);
  return page.text;
}

function describeTox(page: Page, { network, friends, requests }: ToxStatus): void {
  page.gauge(
    "ttun_tox_online",
    "1 while this node is on the Tox network.",
    network === "none" ? 0 : 1,
  );
  for (const [way, count] of Object.entries(friends)) {
    page.gauge("ttun_tox_friends", "Other ends of Tox that are online now.", count, { way });
  }
  if (requests === undefined) return;
  for (
    const [verdict, count] of [["let in", requests.letIn], ["refused", requests.refused]] as const
  ) {
    page.counter("ttun_tox_requests_total", "Friend requests since the start.", count, { verdict });
  }
}

function describeAgent(page: Page, { certificateEnds, gateways, services }: AgentStatus): void {
  page.gauge(
    "ttun_agent_certificate_end_seconds",
    "When the agent's certificate ends, in seconds since 1970.",
    certificateEnds,
  );
  page.gauge(
    "ttun_agent_gateways",
    "Gateways that the agent is linked to now.",
    gateways.filter(({ isUp }) => isUp).length,
  );
  for (const { name: service, open, answers, failed, fault, ...bytes } of services) {
    const of = { service };
    page.gauge(
      "ttun_service_reachable",
      "1 while nothing is known that keeps visitors from a service.",
      fault === undefined ? 1 : 0,
      of,
    );
    page.gauge("ttun_service_requests_open", "Requests of a service under way.", open, of);
    for (const [status, count] of Object.entries(answers)) {
      const help = "Requests of a service that were answered, by status.";
      page.counter("ttun_service_requests_total", help, count, { ...of, status });
    }
    page.counter(
      "ttun_service_failed_total",
      "Requests that a service did not answer.",
      failed,
      of,
    );
    page.counter(
      "ttun_service_received_bytes_total",
      "Bytes of requests' bodies.",
      bytes.receivedBytes,
      of,
    );
    page.counter("ttun_service_sent_bytes_total", "Bytes of answers' bodies.", bytes.sentBytes, of);
  }
}

function describeSessions(page: Page, sessions: readonly SessionStatus[]): void {
  page.gauge("ttun_sessions", "Sessions with other ends now.", sessions.length);
  const listed = sessions.slice(0, MOST_SESSIONS);
  const all = (
    kind: Kind,
    name: string,
    help: string,
    of: (session: SessionStatus) => number | undefined,
  ) => {
    for (const session of listed) {
      const { id, peer, name: client } = session;
      const labels = { session: id, peer, ...(client !== undefined && { client }) };
      page.add(kind, name, help, of(session), labels);
    }
  };
  all("counter", "ttun_session_sent_bytes_total", "Bytes of a session sent.", (s) => s.sentBytes);
  all(
    "counter",
    "ttun_session_received_bytes_total",
    "Bytes of a session received.",
    (s) => s.receivedBytes,
  );
  all("gauge", "ttun_session_age_seconds", "How long a session has been there.", (s) => s.seconds);
  all("gauge", "ttun_session_carriers", "Connections of a session now.", (s) => s.carriers.length);
  all(
    "gauge",
    "ttun_session_streams",
    "Streams of a session that have not finished.",
    (s) => s.streams,
  );
  all(
    "gauge",
    "ttun_session_kept_bytes",
    "Bytes of a session that are kept until they are acknowledged.",
    (s) => s.keptBytes,
  );
  all("gauge", "ttun_session_round_trip_seconds", "Last round trip of a session.", (s) => {
    const rtt = s.carriers.at(-1)?.rttMs;
    return rtt === undefined ? undefined : rtt / 1000;
  });
}

/** A client is ready while it has a session with a connection; all else is ready when it runs. */
export function isReady({ server, sessions }: EndStatus): boolean {
  if (server === undefined || sessions === undefined) return true;
  return sessions.some(({ carriers }) => carriers.length > 0);
}

class Page {
  text = "";
  #last = "";

  gauge(name: string, help: string, value: number | undefined, labels: Labels = {}): void {
    this.add("gauge", name, help, value, labels);
  }

  counter(name: string, help: string, value: number | undefined, labels: Labels = {}): void {
    this.add("counter", name, help, value, labels);
  }

  /** Values of one name come one behind the other. Undefined: there is none. */
  add(kind: Kind, name: string, help: string, value: number | undefined, labels: Labels): void {
    if (value === undefined || !Number.isFinite(value)) return;
    if (name !== this.#last) this.text += `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
    this.#last = name;
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(`${text}`)}"`);
    this.text += `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
  }
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
