import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import type { ServerStep } from "../../core/http/exchange.ts";
import { FramedServer } from "../../core/http/framing/server.ts";
import { ExchangeRelay } from "./exchange_relay.ts";
import { gatewayPages } from "./gateway_pages.ts";
import { MachineDriver } from "./machine_driver.ts";

/** Bytes that are read at once: bodies are of no interest. */
const SCRATCH = 4096;

/** Returns what answers requests for a name whose service speaks no HTTP, as `Tunnel.serve`. */
export function noWeb(clock: Clock): (stream: Stream) => void {
  const scratch = new Uint8Array(SCRATCH);
  return (stream) => {
    const machine = new FramedServer();
    let relay: ExchangeRelay | null = null;
    const driver: MachineDriver<ServerStep> = new MachineDriver(machine, stream, {
      clock,
      scratch,
      endMeansLeft: true,
      onStep: (step) => {
        if (step.kind !== "request") return relay?.fromServer(step);
        const { requestId: id } = machine.origin!; // it comes with the request
        relay = new ExchangeRelay({ machine, driver }, step.id, {
          respond: (head) => head,
          failed: () => false,
          over: () => {},
        });
        const { head, body } = gatewayPages.noWeb({ head: step.head, id });
        relay.answer(head, body);
      },
      onIdle: () => relay?.idle(),
      onOver: () => {},
    });
    driver.start();
  };
}
