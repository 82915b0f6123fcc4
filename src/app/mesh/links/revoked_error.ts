import { TtunError } from "../../../base/errors.ts";

/** Words of the last frame to a node that was revoked, by which it knows. */
export const REVOKED = "this node was revoked";

/** One of the two ends was revoked: a link is not tried again soon. */
export class RevokedError extends TtunError {
  /** The end that was revoked. */
  readonly whose: "own" | "other";

  constructor(whose: "own" | "other") {
    super(
      "auth",
      whose === "other"
        ? "Cannot link with the node: it was revoked"
        : "Cannot link with the node: this node was revoked; ttun mesh join with another --data makes " +
          "another node of this machine, with an invite",
    );
    this.whose = whose;
  }
}
