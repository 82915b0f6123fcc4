import { TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment } from "./key_environment.ts";
import { promptFor, readSecretFile, type SecretKind } from "./secret_file.ts";

const TICKET: SecretKind = { file: "ticket file", question: "Ticket: " };

/** Reads a ticket from a file that is its owner's alone; null = a prompt. @throws {TtunError} */
export async function readTicket(
  path: string | null,
  context: Pick<RunContext, "signal">,
): Promise<string> {
  const host = denoKeyEnvironment;
  if (path === null && !host.terminal.isTerminal()) {
    throw new TtunError(
      "usage",
      "There is no ticket: give it by --ticket-file or TTUN_TICKET, or right behind the command",
    );
  }
  const bytes = path === null
    ? await promptFor(TICKET, context, host)
    : await readSecretFile(path, TICKET, context, host);
  return new TextDecoder().decode(bytes).trim();
}
