import type { Target } from "../../../base/target.ts";

/**
 * Actions for the driver of an `HttpProxy`, in this order. Bytes are views into what the call
 * was given, or the driver's own: write them before that buffer is used again. The machine never
 * changes them.
 */
export type HttpAction =
  /** Connect to it, then call `connected` or `connectFailed`. */
  | { kind: "connect"; target: Target }
  | { kind: "toClient"; bytes: Uint8Array }
  | { kind: "toTarget"; bytes: Uint8Array }
  /** Send FIN to the target behind what was written: nothing more comes, its answer still does. */
  | { kind: "endTarget" }
  /** Close the connection to the target, even if it has ended already, and read no more of it. */
  | { kind: "closeTarget" }
  /**
   * Clean: send FIN when all is sent, then read and drop what the client still sends for a little
   * while, or an RST could overtake the answer (RFC 9112 section 9.6). Reset: the client must not
   * take for whole what it has got. The machine is over.
   */
  | { kind: "endClient"; how: "clean" | "reset" }
  /**
   * From now on relay untouched, both ways, these bytes first. `clientEnded`: the client has sent
   * FIN already. The machine is over; but of a read that was under way the bytes may still be given
   * to it, and come back to be passed on.
   */
  | { kind: "raw"; toTarget: Uint8Array; toClient: Uint8Array; clientEnded: boolean };

/** How a target's connection ended: by FIN, by RST, or given up by the driver after a long silence. */
export type TargetEnd = "clean" | "reset" | "timeout";
