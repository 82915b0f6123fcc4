import type { Connection } from "../../contract/connection.ts";

/** Asks for a connection on which the server has proved the key. */
export interface Meeting<T> {
  /** Ends the attempt, and the connection too. */
  readonly signal: AbortSignal;
  /** Ends the connection in place of `signal`, once it is there; absent = `signal` does. */
  readonly life?: AbortSignal;
  /** An address of the server, in place of its name. */
  readonly host?: string;
  /** The port of the connection that there is closes: this one is to have another. */
  readonly isLeaving: boolean;
  /** The connection that there is goes through a relay: this one is not to. */
  readonly isDirect?: boolean;
  /**
   * Runs the handshake on a connection, which is its to close. It calls `proved` when the server
   * has proved the key, and gives up if that returns false: another connection was quicker.
   */
  readonly meet: (stream: Connection, proved: () => boolean) => Promise<T>;
  /** Takes what `meet` gave after the end of the attempt. */
  readonly discard: (met: T) => void;
}

/** How a connection is to differ from the one that there is. */
export type Differently = Pick<Meeting<unknown>, "isLeaving" | "isDirect">;

/** Connects to the server: over one connection, or over the first of several that is answered. */
export type Reach = <T>(meeting: Meeting<T>) => Promise<T>;

/** Reaches a server to which one connection leads. */
export function reachBy(
  dial: (o: Pick<Meeting<unknown>, "signal" | "life" | "host">) => Promise<Connection>,
): Reach {
  return async ({ meet, ...o }) => await meet(await dial(o), () => true);
}
