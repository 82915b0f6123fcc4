import type { Outbound } from "../../src/contract/outbound.ts";
import type { RelayCount, Relays } from "../../src/app/net/relay.ts";
import { HttpDriver } from "../../src/app/proxy/http_inbound.ts";
import type { Target } from "../../src/base/target.ts";
import type { Stream } from "../../src/contract/stream.ts";

/** Serves an HTTP client without a password. @throws what the driver reports as its failure */
export function driveHttp(
  client: Stream,
  first: Uint8Array,
  o: {
    readonly relays: Relays;
    readonly signal: AbortSignal;
    readonly outbound: Outbound;
    readonly onTarget?: (target: Target) => void;
  },
): Promise<RelayCount> {
  return new Promise((resolve, reject) => {
    const driver = new HttpDriver(client, { ...o, auth: null, requestMs: 30_000 }, {
      onTarget: (target) => o.onTarget?.(target),
      onRefused: () => {},
      onEnd: (count) => resolve({ ...count }),
      onFailure: reject,
    });
    driver.begin(first);
  });
}
