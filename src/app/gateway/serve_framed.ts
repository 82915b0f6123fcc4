import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type { HttpRequest, ServerStep } from "../../core/http/exchange.ts";
import type { RequestOrigin } from "../../core/http/framing/heads.ts";
import { FramedServer } from "../../core/http/framing/server.ts";
import type { ExchangeRelay, ServerEnd } from "./exchange_relay.ts";
import { MachineDriver } from "./machine_driver.ts";

/** A request that a gateway has sent, on a stream of its own. */
export interface FramedRequest {
  readonly server: ServerEnd;
  /** Number of the request at that end. */
  readonly id: number;
  readonly head: HttpRequest;
  readonly origin: RequestOrigin;
}

/** Serves a gateway's stream with one request. Owns it. `begin`: returns what carries the exchange. */
export function serveFramed(
  stream: Stream,
  { clock, scratch }: { readonly clock: Clock; readonly scratch: Uint8Array },
  begin: (request: FramedRequest) => ExchangeRelay,
): void {
  const machine = new FramedServer();
  let relay: ExchangeRelay | null = null;
  const driver: MachineDriver<ServerStep> = new MachineDriver(machine, stream, {
    clock,
    scratch,
    endMeansLeft: true,
    onStep: (step) => {
      if (step.kind !== "request") return relay?.fromServer(step);
      const { id, head } = step;
      const origin = machine.origin!; // it comes with the request
      relay = begin({ server: { machine, driver }, id, head, origin });
    },
    onIdle: () => relay?.idle(),
    onOver: () => {},
  });
  driver.start();
}
