import type { HostPort } from "../../base/addr.ts";
import type { WireChoice } from "../plane/wire_secrets.ts";

/** A server at which two ends meet; it crosses to the data plane's Worker. */
export interface ViaConfig {
  readonly server: HostPort;
  readonly link: WireChoice;
  /** The secret of version 2 of its key (core/link/v2/secrets.ts). */
  readonly s: Uint8Array;
}

/** The other end of a ticket; it crosses to the data plane's Worker. */
export interface TicketPlace {
  readonly candidates: readonly HostPort[];
  /** Names the meeting at `via`; null = both ends meet nowhere. */
  readonly meeting: Uint8Array | null;
  readonly via: ViaConfig | null;
}

export interface NamedTicket extends TicketPlace {
  /** For logs, without its key. */
  readonly name: string;
  /** Milliseconds since 1970 until which somebody may come with it. */
  readonly untilMs: number;
  /** Milliseconds without the other end after which a client that was in gives up; null = never. */
  readonly giveUpMs: number | null;
}

/** An end that waits for whoever has its ticket; it crosses to the data plane's Worker. */
export interface TicketListen {
  readonly ticketKey: Uint8Array;
  /** Words of a code, which stands for the ticket where both ends meet at `via`; null = a ticket. */
  readonly codeWords: string | null;
  readonly myIp: string | undefined;
  /** Undefined = one of the kernel's choice. */
  readonly localPort: number | undefined;
  readonly stun: HostPort | undefined;
  readonly via: ViaConfig | null;
  readonly ttlMs: number;
}
