import type { Agreement } from "../../app/transfer/receive_files.ts";
import { TtunError } from "../../base/errors.ts";
import { shownName } from "../../core/transfer/names.ts";
import type { Terminal } from "../secrets/prompt.ts";
import { askYesNo } from "./ask.ts";
import { MOST_HIDDEN, type Offer, offerText } from "./offer.ts";

export interface AgreeOptions {
  /** All is taken without a question, but for names that begin with a dot. */
  readonly yes: boolean;
  /** These are taken as well. */
  readonly hidden: boolean;
}

/**
 * Shows what a sender offers, and asks for it. Names that begin with a dot at the top are asked for
 * by themselves, as programs read many of them. @throws {TtunError} usage, where nobody can be asked
 */
export async function agree(
  offer: Offer,
  { yes, hidden }: AgreeOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Agreement> {
  const canAsk = terminal.isTerminal();
  if (!yes) {
    if (!canAsk) throw new TtunError("usage", "Cannot ask for the files here: --yes takes them");
    terminal.write(`${offerText(offer).join("\r\n")}\r\n`);
    const isAccepted = await askYesNo(terminal, "Take this?", signal);
    if (!isAccepted) return { isAccepted, declined: new Set() };
  }
  const declined = new Set<string>();
  if (hidden) return { isAccepted: true, declined };
  if (offer.hidden.length > 0 && (!canAsk || offer.hidden.length > MOST_HIDDEN)) {
    const first = shownName(offer.hidden[0]!);
    throw new TtunError(
      "usage",
      `Cannot take ${first} without a question, as it begins with a dot: --hidden takes such names`,
    );
  }
  for (const name of offer.hidden) {
    const question = `${shownName(name)} begins with a dot, as settings of programs do. Take it?`;
    if (!await askYesNo(terminal, question, signal)) declined.add(name);
  }
  return { isAccepted: true, declined };
}
