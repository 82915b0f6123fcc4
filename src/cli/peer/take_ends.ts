import { TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { load } from "../plane/load.ts";
import { isTicket, ticketBody } from "../../core/ticket/ticket_text.ts";
import { linkText, takeLink } from "../share/take_link.ts";
import { type Endpoint, formatEndpoint } from "../transport/endpoint.ts";
import { entryOf } from "../transport/table.ts";
import { type ClientFlags, refuseKey, type ServerFlags, type TicketPrinter } from "./end_flags.ts";
import type { ViaFlags } from "./via_options.ts";

/**
 * Replaces a link or ticket among the options of a client by what is in it.
 * @throws {TtunError} usage, without one that can be used
 */
export async function takeServer<O extends ClientFlags>(
  options: O,
  context: RunContext,
): Promise<O> {
  if (options.server.scheme === "tox") {
    refuseVia(options, "tox:");
    const { takeToxServer } = await load(() => import("../tox/take_tox.ts"));
    return { ...options, server: takeToxServer(options.server, context) };
  }
  if (options.server.scheme === "mesh") {
    refuseVia(options, "mesh:");
    const { takeMeshServer } = await load(() => import("../gateway/take_mesh.ts"));
    return { ...options, server: takeMeshServer(options.server) };
  }
  const text = await linkText(options, context);
  if (text === null || !isTicket(text) && options.server.scheme !== "peer") {
    refuseVia(options, formatEndpoint(options.server));
    return text === null ? options : await takeLink(options, context, text);
  }
  refuseKey(options);
  const { takeTicketText } = await load(() => import("./take_peer.ts"));
  return { ...options, ...await takeTicketText(ticketBody(text), options, context) };
}

/**
 * Gives a server that listens at `peer:` a ticket's key, and one at `tox:` or `mesh:` its identity.
 * @throws {TtunError} usage
 */
export async function takeListeners<O extends ServerFlags>(
  options: O,
  context: RunContext,
): Promise<O & TicketPrinter> {
  if (!makesTicket(options)) {
    return { ...options, listen: await takePlaces(options.listen, context) };
  }
  const { takeTicketListener } = await load(() => import("./take_peer.ts"));
  return await takeTicketListener(options, context);
}

/** Puts into each `tox:` and `mesh:` what the data plane needs of this machine. @throws {TtunError} */
export async function takePlaces(
  listen: readonly Endpoint[],
  context: RunContext,
): Promise<readonly Endpoint[]> {
  const taken = await takeMeshListeners(listen);
  const count = listen.filter(({ scheme }) => scheme === "tox").length;
  if (count === 0) return taken;
  if (count > 1) {
    throw new TtunError("usage", "Cannot listen at tox: twice: one is for any number of clients");
  }
  const { takeToxListen } = await load(() => import("../tox/take_tox.ts"));
  return taken.map((one) => one.scheme === "tox" ? takeToxListen(one, context) : one);
}

async function takeMeshListeners(listen: readonly Endpoint[]): Promise<readonly Endpoint[]> {
  if (!listen.some(({ scheme }) => scheme === "mesh")) return listen;
  const { takeMeshListen } = await load(() => import("../gateway/take_mesh.ts"));
  return listen.map((one) => one.scheme === "mesh" ? takeMeshListen(one) : one);
}

/** Refuses what cannot stand beside a listener that makes a ticket. @throws {TtunError} usage */
export function refuseForTicket(options: ServerFlags): void {
  if (!makesTicket(options)) return refuseVia(options, "addresses that are listened on");
  if (options.listen.length > 1) {
    throw new TtunError(
      "usage",
      "Cannot listen elsewhere beside peer:, whose ticket has a key of its own; run another server",
    );
  }
  if (options.daemon) {
    throw new TtunError(
      "usage",
      "Cannot go to the background with -l peer:, which prints a ticket",
    );
  }
  refuseKey(options);
}

function makesTicket({ listen }: Pick<ServerFlags, "listen">): boolean {
  return listen.some(({ scheme }) => entryOf(scheme).makesTicket);
}

/** @throws {TtunError} usage */
export function refuseVia({ via, viaKeyFile }: ViaFlags, what: string): void {
  if (via === undefined && viaKeyFile === undefined) return;
  throw new TtunError("usage", `Cannot use --via with ${what}: it is for tickets (peer:)`);
}
