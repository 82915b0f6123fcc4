import { Histogram, SECONDS } from "../../core/mesh/histogram.ts";
import { counter, gauge, histogram, type Measure } from "../mesh/http/node_metrics.ts";

/** Classes of answers; `none`: the visitor left before there was one. */
type Answer = "1xx" | "2xx" | "3xx" | "4xx" | "5xx" | "none";

/** Numbers of a gateway, for its metrics. */
export class GatewayCounts {
  /** Exchanges that are under way. */
  open = 0;
  readonly #seconds = new Histogram(SECONDS);
  #requestBytes = 0;
  #responseBytes = 0;
  readonly #answers: Record<Answer, number> = {
    "1xx": 0,
    "2xx": 0,
    "3xx": 0,
    "4xx": 0,
    "5xx": 0,
    none: 0,
  };

  /** Counts an exchange that is over. */
  add(
    o: { status: number; requestBytes: number; responseBytes: number },
    durationMs: number,
  ): void {
    const first = Math.floor(o.status / 100);
    this.#answers[first >= 1 && first <= 5 ? `${first}xx` as Answer : "none"]++;
    this.#seconds.add(durationMs / 1000);
    this.#requestBytes += o.requestBytes;
    this.#responseBytes += o.responseBytes;
  }

  measures(o: { agents: number; names: number; handshakes: number }): Measure[] {
    const answers = { label: "status", values: this.#answers };
    return [
      counter("gateway_requests_total", "Requests of visitors that are over", answers),
      histogram("gateway_request_seconds", "Time from their heads to their ends", this.#seconds),
      counter("gateway_received_bytes_total", "Bytes of bodies from visitors", this.#requestBytes),
      counter("gateway_sent_bytes_total", "Bytes of bodies to visitors", this.#responseBytes),
      gauge("gateway_open_requests", "Requests of visitors that are under way", this.open),
      gauge("gateway_agents", "Agents that are linked", o.agents),
      gauge("gateway_names", "Names that they publish by way of this node", o.names),
      gauge("gateway_handshakes", "TLS handshakes that are under way", o.handshakes),
    ];
  }
}
