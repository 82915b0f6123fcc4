import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";

/** A request must have a text, which servers without a secret do not look at. */
const GREETING = utf8("ttun");

/**
 * Returns the text of a client's friend request: the secret with a NUL behind it, as C has strings;
 * null = there is none. `mostBytes`: the library's limit. @throws {TtunError} usage
 */
export function friendRequestText(secret: string | null, mostBytes: number): Uint8Array {
  if (secret === null) return GREETING;
  if (secret === "" || secret.includes("\0")) {
    throw new TtunError("usage", "Cannot use the secret: it is empty or has a NUL in it");
  }
  const text = utf8(`${secret}\0`);
  if (text.length <= mostBytes) return text;
  throw new TtunError(
    "usage",
    `Cannot use the secret: it has ${text.length - 1} bytes, and ${mostBytes - 1} fit into a ` +
      "friend request. Choose a shorter one at both ends.",
  );
}
