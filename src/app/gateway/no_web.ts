import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { ExchangeRelay } from "./exchange_relay.ts";
import { gatewayPages } from "./gateway_pages.ts";
import { serveFramed } from "./serve_framed.ts";

/** Bytes that are read at once: bodies are of no interest. */
const SCRATCH = 4096;

/** Returns what answers requests for a name whose service speaks no HTTP, as `Tunnel.serve`. */
export function noWeb(clock: Clock): (stream: Stream) => void {
  const scratch = new Uint8Array(SCRATCH);
  return (stream) =>
    serveFramed(stream, { clock, scratch }, ({ server, id, head, origin: { requestId } }) => {
      const relay = new ExchangeRelay(server, id, {
        respond: (head) => head,
        failed: () => false,
        over: () => {},
      });
      const page = gatewayPages.noWeb({ head, id: requestId });
      relay.answer(page.head, page.body);
      return relay;
    });
}
