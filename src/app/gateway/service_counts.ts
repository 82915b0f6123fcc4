import type { ServiceStatus } from "../../core/status/report.ts";

/** Counts the requests to a service. */
export class ServiceCounts {
  #open = 0;
  #failed = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  readonly #answers: Record<string, number> = {};
  #fault: string | null = null;

  begin(): void {
    this.#open++;
  }

  /** `status`: of the answer; 0 = the visitor has left without one. */
  end(status: number, { request, response }: { request: number; response: number }): void {
    this.#open--;
    this.#receivedBytes += request;
    this.#sentBytes += response;
    if (status < 100) return;
    const key = `${Math.floor(status / 100)}xx`;
    this.#answers[key] = (this.#answers[key] ?? 0) + 1;
  }

  /** The service has not answered. */
  failed(why: string): void {
    this.#failed++;
    this.#fault = why;
  }

  /** It has answered. */
  answered(): void {
    this.#fault = null;
  }

  /** `fault`: words for the last request that the service did not answer. */
  describe(): Omit<ServiceStatus, "name"> {
    return {
      open: this.#open,
      answers: { ...this.#answers },
      failed: this.#failed,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      ...(this.#fault !== null && { fault: this.#fault }),
    };
  }
}
