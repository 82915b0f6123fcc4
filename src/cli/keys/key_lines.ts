import { TtunError } from "../../base/errors.ts";
import { isKeyName, parseNamedKeys } from "../secrets/named_keys.ts";

/** First line of a new file: a file of one line alone would be one key for all. */
const HEADING = "# A key for each client, as NAME:KEY; changed by ttun key\n";

/** Names of the keys of a file of keys with names. @throws {TtunError} usage */
export function keyNames(text: string): string[] {
  requireNames(text);
  return parseNamedKeys(text).map(({ name }) => name);
}

/**
 * Returns the file's text with another key, which its settings may follow. `text`: null = there is
 * no file yet. @throws {TtunError} usage
 */
export function withKey(text: string | null, name: string, key: string): string {
  if (!isKeyName(name)) {
    throw new TtunError(
      "usage",
      `Cannot use ${JSON.stringify(name)} as a key's name: give up to 64 letters, digits and _.@-`,
    );
  }
  const before = text === null || text.trim() === "" ? HEADING : `${text}\n`;
  const line = `${name}:${key}\n`;
  if (before === HEADING) return before + line;
  if (keyNames(text!).includes(name)) {
    throw new TtunError("usage", `Cannot add a key of the name ${name}: there is one already`);
  }
  return before + line;
}

/** Returns the file's text without a key, all else as it was. @throws {TtunError} usage */
export function withoutKey(text: string, name: string): string {
  const names = keyNames(text);
  if (!names.includes(name)) {
    throw new TtunError(
      "usage",
      `Cannot revoke ${name}: the keys are those of ${names.join(", ")}`,
    );
  }
  if (names.length === 1) {
    throw new TtunError(
      "usage",
      `Cannot revoke ${name}: a server needs a key, and this is the last one; add another one ` +
        "first, or stop the server",
    );
  }
  const isOther = (line: string) => !line.replace(/^\ufeff+/, "").startsWith(`${name}:`);
  return `${text.split("\n").filter(isOther).join("\n")}\n`;
}

/** @throws {TtunError} usage, for a file that is one key for all */
function requireNames(text: string): void {
  if (text.includes("\n")) return;
  throw new TtunError(
    "usage",
    "Cannot take names from a key file of one line, which is one key for all clients: ttun key add " +
      "makes another file, with a name for each key",
  );
}
