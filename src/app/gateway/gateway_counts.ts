import type { Measure } from "../mesh/http/node_metrics.ts";

/** Classes of answers; `none`: the visitor left before there was one. */
type Answer = "1xx" | "2xx" | "3xx" | "4xx" | "5xx" | "none";

/** Numbers of a gateway, for its metrics. */
export class GatewayCounts {
  /** Exchanges that are under way. */
  open = 0;
  #seconds = 0;
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
    this.#seconds += durationMs / 1000;
    this.#requestBytes += o.requestBytes;
    this.#responseBytes += o.responseBytes;
  }

  measures(o: { agents: number; names: number; handshakes: number }): Measure[] {
    const gauge = (name: string, help: string, value: number): Measure => {
      return { name: `gateway_${name}`, help, type: "gauge", value };
    };
    const counter = (name: string, help: string, value: Measure["value"]): Measure => {
      return { name: `gateway_${name}_total`, help, type: "counter", value };
    };
    const answers = { label: "status", values: this.#answers };
    return [
      counter("requests", "Requests of visitors that are over", answers),
      counter("request_seconds", "Time from their heads to their ends", this.#seconds),
      counter("received_bytes", "Bytes of bodies from visitors", this.#requestBytes),
      counter("sent_bytes", "Bytes of bodies to visitors", this.#responseBytes),
      gauge("open_requests", "Requests of visitors that are under way", this.open),
      gauge("agents", "Agents that are linked", o.agents),
      gauge("names", "Names that they publish by way of this node", o.names),
      gauge("handshakes", "TLS handshakes that are under way", o.handshakes),
    ];
  }
}
