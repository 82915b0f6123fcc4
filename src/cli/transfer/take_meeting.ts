import { TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import type { TicketPrinter } from "../peer/end_flags.ts";
import { refuseVia, takePlaces, takeServer } from "../peer/take_ends.ts";
import { load } from "../plane/load.ts";
import { entryOf } from "../transport/table.ts";
import type { ReceiveFlags, SendFlags } from "./options.ts";

type Flags = SendFlags | ReceiveFlags;

/**
 * Finds out how both ends meet: as -s or -l says; else a sender prints a ticket or code, which a
 * receiver asks for. @throws {TtunError} usage
 */
export async function takeMeeting(
  flags: Flags,
  kind: "send" | "receive",
  context: RunContext,
): Promise<Flags & TicketPrinter & { readonly linkKey?: Uint8Array }> {
  const { server, listen } = flags;
  if (server !== undefined) return { ...flags, ...await takeServer({ ...flags, server }, context) };
  const ticketFile = "ticketFile" in flags ? flags.ticketFile : undefined;
  const isTicket = listen === undefined || entryOf(listen.scheme).makesTicket === true;
  if (!isTicket) {
    refuseVia(flags, "an address that is listened on");
    return { ...flags, listen: (await takePlaces([listen], context))[0] };
  }
  if (flags.key !== undefined || flags.keyFile !== undefined) {
    throw new TtunError(
      "usage",
      "Cannot tell how both ends meet: beside a key give the other end's address by -s, or wait for " +
        "it by -l; a ticket has a key of its own",
    );
  }
  const { makeTicketListen, takeTicketText } = await load(() => import("../peer/take_peer.ts"));
  if (listen === undefined && kind === "receive") {
    const { askForTicket } = await load(() => import("../peer/take_ticket.ts"));
    const text = await askForTicket({ ticket: undefined, ticketFile }, context);
    return { ...flags, ...await takeTicketText(text, flags, context) };
  }
  const other = kind === "send" ? "ttun receive" : "ttun send FILE -s";
  const how = { command: other, makesCode: listen === undefined };
  const place = listen ?? { scheme: "peer", at: "" } as const;
  return { ...flags, ...await makeTicketListen(place, flags, how, context) };
}
