import { TtunError } from "../../base/errors.ts";
import type { CipherChoice } from "../command/cipher_choice.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import type { ViaFlags } from "./via_options.ts";

export interface KeyFlags extends ViaFlags {
  readonly key: string | undefined;
  readonly keyFile: string | undefined;
  readonly wire?: "auto" | "v1" | "v2";
  /** The key of a link or ticket, in UTF-8. */
  readonly linkKey?: Uint8Array;
}

export interface ClientFlags extends KeyFlags {
  readonly server: Endpoint;
  readonly cipher: CipherChoice;
}

export interface ServerFlags extends KeyFlags {
  readonly listen: readonly Endpoint[];
  readonly daemon: boolean;
}

/** Prints a ticket; absent = there is none. */
export interface TicketPrinter {
  readonly print?: (line: string) => void;
}

/** @throws {TtunError} usage */
export function refuseKey({ key, keyFile }: KeyFlags): void {
  if (key === undefined && keyFile === undefined) return;
  throw new TtunError("usage", "Cannot use a key beside a ticket, which has one: leave one away");
}
