import { parseToxId, type ToxId } from "../../core/tox/tox_id.ts";

/** Characters of a name; whatever is longer is meant as a Tox ID. */
const LONGEST_NAME = 63;

/** An end of `-i`: a Tox ID, or the name of a host of a file. */
export type ToxEnd = ToxId | { readonly name: string };

/** @throws {TtunError} usage, for what is neither */
export function parseToxEnd(text: string): ToxEnd {
  const isName = text.length <= LONGEST_NAME && /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(text);
  return isName ? { name: text } : parseToxId(text);
}
