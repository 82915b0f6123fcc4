import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { writeNew } from "../../io/files/new_file.ts";
import { printPlain } from "../output/log_writer.ts";
import { load } from "../plane/load.ts";
import { fileFailure } from "../platform/file_failure.ts";

/**
 * Returns what prints a ticket on standard error, with a QR code of it on a terminal, or writes it
 * into a file: standard output is the pipe's. It throws a TtunError (usage, privilege). `ttl` is in
 * seconds.
 */
export async function ticketPrinter(
  { ttl, out, command, behind = "" }: {
    readonly ttl: number;
    readonly out: string | undefined;
    /** Command of the other machine, to which the ticket is given. */
    readonly command: string;
    /** Options of that command. */
    readonly behind?: string;
  },
): Promise<(ticket: string) => void> {
  const isShown = out === undefined && Deno.stderr.isTerminal();
  const render = isShown ? (await load(() => import("uqr"))).renderUnicodeCompact : null;
  return (ticket) => {
    if (out !== undefined) return writeTicket(out, ticket);
    const time = ttl % 60 === 0 ? `${ttl / 60} minutes` : `${ttl} seconds`;
    printPlain(`For the other machine, within ${time} (whoever has it can connect, once):`);
    printPlain(`  ${command} ${ticket}${behind}`);
    const code = render?.(ticket, { border: 2 }) ?? "";
    for (const line of code === "" ? [] : code.split("\n")) printPlain(line);
  };
}

function writeTicket(path: string, ticket: string): void {
  try {
    writeNew(path, utf8(`${ticket}\n`), { mode: 0o600 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new TtunError("usage", `Cannot write ${path}: it is there already`);
    }
    throw fileFailure("write", path, error);
  }
}
