import { formatAddr } from "../../base/addr.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { meetingIdOfNumber } from "../../core/meet/meeting_id.ts";
import { TICKET_KEY_SIZE, ticketPsk } from "../../core/ticket/ticket.ts";
import type { RunContext } from "../command/context.ts";
import { rng } from "../platform/rng.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { isCode, makeCodeWords, parseCode } from "./code.ts";
import { pack } from "./packed.ts";
import { parsePeerListen, TICKET_SECONDS } from "./peer_url.ts";
import { ticketPrinter } from "./show_ticket.ts";
import { readTaken } from "./take_ticket.ts";
import { viaOf } from "./via.ts";
import type { NamedTicket, TicketListen, ViaConfig } from "./via_config.ts";
import type { KeyFlags, ServerFlags, TicketPrinter } from "./end_flags.ts";

/**
 * Milliseconds without the other end after which a client that was in gives up, where its user has
 * not said how often it is to try: an outage is over by then, mostly.
 */
const GIVE_UP_MS = 3_600_000;

/** Facts of a ticket or code: its key and its end. */
export interface TakenEnd extends Pick<KeyFlags, "linkKey" | "wire"> {
  readonly server: Endpoint;
}

/** @throws {TtunError} usage, without a ticket or code that can be used */
export async function takeTicketText(
  text: string,
  options: Pick<KeyFlags, "wire" | "via" | "viaKeyFile"> & {
    readonly retries?: number | undefined;
  },
  context: RunContext,
): Promise<TakenEnd> {
  const via = await viaOf(options, context);
  const { psk, ...place } = isCode(text) ? readCode(text, via) : readTicket(text);
  const giveUpMs = options.retries === undefined ? GIVE_UP_MS : null;
  const at = pack({ ...place, via, giveUpMs } satisfies NamedTicket);
  return { ...keyed(psk, options), server: { scheme: "peer", at } };
}

function readTicket(text: string) {
  const { key, ...place } = readTaken(text);
  return { ...place, psk: ticketPsk(key) };
}

/** A code does not tell its time: the usual one counts from here. @throws {TtunError} usage */
function readCode(text: string, via: ViaConfig | null) {
  const { number, words } = parseCode(text);
  if (via === null) {
    throw new TtunError(
      "usage",
      "Cannot use a code without the server where both ends meet: name it by --via or TTUN_VIA",
    );
  }
  const meeting = meetingIdOfNumber(number);
  const untilMs = Date.now() + TICKET_SECONDS * 1000;
  return { psk: utf8(words), candidates: [], meeting, untilMs, name: `code ${number}-…` };
}

/** Gives a server that listens at `peer:` a ticket's key. @throws {TtunError} usage */
export async function takeTicketListener<O extends ServerFlags>(
  options: O,
  context: RunContext,
): Promise<O & TicketPrinter> {
  const how = { command: "ttun client", makesCode: false };
  const { listen, ...taken } = await makeTicketListen(options.listen[0]!, options, how, context);
  return { ...options, ...taken, listen: [listen] };
}

/** A listener with its ticket's key. */
export interface MadeListen extends Pick<KeyFlags, "linkKey" | "wire">, TicketPrinter {
  readonly listen: Endpoint;
}

/**
 * `command`: the other machine's. `makesCode`: a code is printed in the ticket's place where both
 * ends meet at a server. @throws {TtunError} usage
 */
export async function makeTicketListen(
  listen: Endpoint,
  options: Pick<KeyFlags, "wire" | "via" | "viaKeyFile">,
  { command, makesCode }: { readonly command: string; readonly makesCode: boolean },
  context: RunContext,
): Promise<MadeListen> {
  const { ttl, ...settings } = parsePeerListen(`${listen.at}`);
  const ticketKey = rng(TICKET_KEY_SIZE);
  const via = await viaOf(options, context);
  const codeWords = makesCode && via !== null ? makeCodeWords(rng) : null;
  const made: TicketListen = { ...settings, ticketKey, codeWords, via, ttlMs: ttl * 1000 };
  const behind = via === null ? "" : ` --via ${formatAddr(via.server)}`;
  return {
    ...keyed(codeWords === null ? ticketPsk(ticketKey) : utf8(codeWords), options),
    listen: { scheme: "peer", at: pack(made) },
    print: await ticketPrinter({ ttl, out: undefined, command, behind }),
  };
}

function keyed(
  linkKey: Uint8Array,
  { wire }: Pick<KeyFlags, "wire">,
): Pick<KeyFlags, "linkKey" | "wire"> {
  return { linkKey, ...(wire !== undefined && { wire: "v2" }) };
}
