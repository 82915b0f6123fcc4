import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { parseTicket, type Ticket, ticketMeeting } from "../../core/ticket/ticket.ts";
import { ticketName } from "../../core/ticket/ticket_text.ts";
import type { RunContext } from "../command/context.ts";
import { load } from "../plane/load.ts";
import { readVariable } from "../platform/variables.ts";

/** Seconds by which the two machines' clocks may differ. */
const CLOCK_LEEWAY = 120;

/** Bytes of a first line of standard input: longer than any ticket. */
const LONGEST_LINE = 1024;

const VARIABLE = "TTUN_TICKET";

/**
 * Takes the ticket of the command line, a file, the first line of standard input, TTUN_TICKET, or a
 * prompt. @throws {TtunError} usage, without one that holds; privilege
 */
export async function takeTicket(
  o: { readonly ticket: string | undefined; readonly ticketFile: string | undefined },
  context: RunContext,
): Promise<TakenTicket> {
  return readTaken(await askForTicket(o, context));
}

/** A ticket that holds. */
export interface TakenTicket extends Pick<Ticket, "key" | "candidates"> {
  /** For logs. */
  readonly name: string;
  /** Names the meeting of both ends at a server; null = they meet at none. */
  readonly meeting: Uint8Array | null;
  /** Milliseconds since 1970 until which it holds, with room for clocks that differ. */
  readonly untilMs: number;
}

/** @throws {TtunError} usage, without a ticket that holds */
export function readTaken(text: string): TakenTicket {
  const ticket = parseTicket(text);
  const name = ticketName(text.trim());
  const untilMs = (ticket.expires + CLOCK_LEEWAY) * 1000;
  if (untilMs < Date.now()) {
    const at = new Date(ticket.expires * 1000).toISOString();
    throw new TtunError(
      "usage",
      `Cannot use the ticket ${name}: it was valid until ${at}; ttun peer listen prints another`,
    );
  }
  const { key, candidates, meets } = ticket;
  if (candidates.length === 0 && !meets) {
    throw new TtunError("usage", `Cannot use the ticket ${name}: there is no address in it`);
  }
  return { key, candidates, name, untilMs, meeting: meets ? ticketMeeting(key) : null };
}

/** Returns the text of a ticket or code. @throws {TtunError} usage, privilege */
export async function askForTicket(
  { ticket, ticketFile }: Parameters<typeof takeTicket>[0],
  context: Pick<RunContext, "signal" | "log" | "secretsHidden">,
): Promise<string> {
  const fromEnvironment = readVariable(VARIABLE);
  if (fromEnvironment !== undefined) Deno.env.delete(VARIABLE);
  if (ticket !== undefined) {
    warnOfArgument(context);
    return ticket;
  }
  if (ticketFile === "-") return await abortable(firstLine(), context.signal);
  if (ticketFile === undefined && fromEnvironment !== undefined) return fromEnvironment;
  const { readTicket } = await load(() => import("../secrets/ticket_file.ts"));
  return await readTicket(ticketFile ?? null, context);
}

function warnOfArgument({ secretsHidden, log }: Pick<RunContext, "log" | "secretsHidden">): void {
  if (secretsHidden) return;
  log.warn(
    "The ticket given as an argument is visible in process lists; use --ticket-file or TTUN_TICKET",
  );
}

/** Reads no byte behind the line: they are the pipe's. */
async function firstLine(): Promise<string> {
  const byte = new Uint8Array(1);
  let line = "";
  while (line.length < LONGEST_LINE && await Deno.stdin.read(byte) !== null) {
    if (byte[0] === 0x0a) break;
    line += String.fromCharCode(byte[0]!);
  }
  return line;
}
