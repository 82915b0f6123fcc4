import type { RunContext } from "../command/context.ts";
import { readVariable } from "../platform/variables.ts";
import { resolveKey } from "../secrets/key_source.ts";
import type { PeerFlags } from "./options.ts";

/** Variables that a key is taken from. */
const VARIABLES = ["TTUN_KEY_FILE", "TTUN_KEY"];

/**
 * Returns the key that the user has given for this pipe, null if none. A key file that lies where
 * others are looked for does not count: without a key the other end may be the program tete.
 * @throws {TtunError} usage, for an empty one; privilege
 */
export async function peerKey(
  { key, keyFile }: Pick<PeerFlags, "key" | "keyFile">,
  context: RunContext,
): Promise<Uint8Array | null> {
  const isGiven = key !== undefined || keyFile !== undefined ||
    VARIABLES.some((name) => readVariable(name) !== undefined);
  if (!isGiven) return null;
  return (await resolveKey({ key, keyFile }, context)).key;
}
