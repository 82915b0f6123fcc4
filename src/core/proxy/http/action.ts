import type { Target } from "../../../base/target.ts";

/**
 * Actions for the driver of an `HttpProxy`, in this order. Bytes are views into the call's, or the
 * driver's own: write them before that buffer is used again. The machine never changes them.
 */
export type HttpAction =
  /** Connect to the target, then call `connected` or `connectFailed`. */
  | { kind: "connect"; target: Target }
  | { kind: "toClient"; bytes: Uint8Array }
  | { kind: "toTarget"; bytes: Uint8Array }
  /** Send FIN behind what was written: the target's answer still comes. */
  | { kind: "endTarget" }
  /** Close the connection, even if it has ended already, and read no more of it. */
  | { kind: "closeTarget" }
  /**
   * The machine is over. Clean: send FIN, then read and drop for a while, or an RST could overtake
   * the answer (RFC 9112 section 9.6). Reset: the client must not take its part for the whole.
   */
  | { kind: "endClient"; how: "clean" | "reset" }
  /**
   * Relay untouched from now on, these bytes first. `clientEnded`: its FIN has come. The machine is
   * over; bytes of a read under way may still be given to it, and come back to be passed on.
   */
  | { kind: "raw"; toTarget: Uint8Array; toClient: Uint8Array; clientEnded: boolean };

/** End of a target's connection: by FIN, by RST, or given up after a long silence. */
export type TargetEnd = "clean" | "reset" | "timeout";
