import type { Target } from "../../../base/target.ts";

/**
 * For the driver of an `HttpProxy`, in this order. Bytes are views into the call's, or the driver's
 * own: write them before that buffer is used again. The machine never changes them.
 */
export type HttpAction =
  /** Call `connected` or `connectFailed` then. */
  | { kind: "connect"; target: Target }
  | { kind: "toClient"; bytes: Uint8Array }
  | { kind: "toTarget"; bytes: Uint8Array }
  /** Send FIN behind what was written: the target's answer still comes. */
  | { kind: "endTarget" }
  /** Close the connection, even if it has ended already, and read no more of it. */
  | { kind: "closeTarget" }
  /**
   * The machine is over. Clean: send FIN, then read and drop for a little while, or an RST could
   * overtake the answer (RFC 9112 section 9.6). Reset: the client must not take for whole what it
   * has.
   */
  | { kind: "endClient"; how: "clean" | "reset" }
  /**
   * Relay untouched from now on, these bytes first. `clientEnded`: its FIN has come. The machine is
   * over; bytes of a read that was under way may still be given to it, and come back to be passed
   * on.
   */
  | { kind: "raw"; toTarget: Uint8Array; toClient: Uint8Array; clientEnded: boolean };

/** By FIN, by RST, or given up by the driver after a long silence. */
export type TargetEnd = "clean" | "reset" | "timeout";
