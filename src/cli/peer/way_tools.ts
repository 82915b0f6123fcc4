import type { Logger } from "../../base/log.ts";
import type { Resolver } from "../../contract/host.ts";
import type { PlaneEvent } from "../plane/messages.ts";
import type { PlaneCiphers } from "../plane/wire_secrets.ts";
import type { SocketPlatform } from "../platform/platform.ts";

/** Parts of a data plane's tools by which another end is found. */
export interface WayTools {
  readonly platform: SocketPlatform;
  readonly ciphers: PlaneCiphers;
  readonly resolver: Resolver;
  readonly log: Logger;
  /** Aborts when the data plane is told to stop. */
  readonly signal: AbortSignal;
  /** Closes what is added, the last first, before the platform closes. */
  readonly opened: AsyncDisposableStack;
}

export interface TicketTools extends WayTools {
  /** Takes the ticket, to be printed. */
  readonly port: { report(event: PlaneEvent): void };
}
