import { TICKET_KEY_SIZE, ticketPsk } from "../../core/ticket/ticket.ts";
import type { RunContext } from "../command/context.ts";
import { rng } from "../platform/rng.ts";
import { linkText } from "../share/take_link.ts";
import { pack } from "./packed.ts";
import { parsePeerListen } from "./peer_url.ts";
import { ticketPrinter } from "./show_ticket.ts";
import { readTaken } from "./take_ticket.ts";
import { viaOf } from "./via.ts";
import type { NamedTicket, TicketListen } from "./via_config.ts";
import {
  type ClientFlags,
  type KeyFlags,
  refuseKey,
  type ServerFlags,
  type TicketPrinter,
} from "./end_flags.ts";

/** Replaces a ticket among the options of a client by what is in it. @throws {TtunError} usage */
export async function takeTicketServer<O extends ClientFlags>(
  options: O,
  context: RunContext,
): Promise<O> {
  refuseKey(options);
  const { key, ...place } = readTaken(await linkText(options, context) ?? "");
  const at = pack({ ...place, via: await viaOf(options, context) } satisfies NamedTicket);
  return { ...options, ...keyed(key, options), server: { scheme: "peer", at } };
}

/** Gives a server that listens at `peer:` a ticket's key. @throws {TtunError} usage */
export async function takeTicketListener<O extends ServerFlags>(
  options: O,
  context: RunContext,
): Promise<O & TicketPrinter> {
  const { ttl, ...settings } = parsePeerListen(`${options.listen[0]!.at}`);
  const ticketKey = rng(TICKET_KEY_SIZE);
  const via = await viaOf(options, context);
  const at = pack({ ...settings, ticketKey, via, ttlMs: ttl * 1000 } satisfies TicketListen);
  return {
    ...options,
    ...keyed(ticketKey, options),
    listen: [{ scheme: "peer", at }],
    print: await ticketPrinter({ ttl, out: undefined, command: "ttun client" }),
  };
}

function keyed(key: Uint8Array, { wire }: KeyFlags): Pick<KeyFlags, "linkKey" | "wire"> {
  return { linkKey: ticketPsk(key), ...(wire !== undefined && { wire: "v2" }) };
}
