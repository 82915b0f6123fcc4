import { TtunError } from "../../base/errors.ts";

/** U+FEFF in UTF-8, which editors on Windows put before a text. */
const MARK = [0xef, 0xbb, 0xbf] as const;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const SAMPLE = 512;

/** Drops byte order marks. `what`: the file. @throws {TtunError} usage, for UTF-16 and UTF-32 */
export function utf8Text(bytes: Uint8Array, what: string): Uint8Array {
  if (!isWide(bytes)) return withoutMarks(bytes);
  throw new TtunError(
    "usage",
    `Cannot use ${what}: it is UTF-16 text (Windows calls it "Unicode", and PowerShell's > writes ` +
      "it); save it as UTF-8",
  );
}

/** Drops byte order marks and one line end: LF, CR LF or CR. */
export function oneLine(bytes: Uint8Array): Uint8Array {
  const text = withoutMarks(bytes);
  if (text.at(-1) === RETURN) return text.subarray(0, -1);
  if (text.at(-1) !== LINE_FEED) return text;
  return text.subarray(0, text.at(-2) === RETURN ? -2 : -1);
}

/** Drops all marks, as joined files may have several. */
function withoutMarks(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (MARK.every((byte, i) => bytes[at + i] === byte)) at += MARK.length;
  return bytes.subarray(at);
}

/**
 * Finds U+FEFF of UTF-16 or UTF-32, which is invalid in UTF-8 in either byte order; without it, the
 * zero bytes of Latin letters are all on one side of each pair.
 */
function isWide(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  const sample = bytes.subarray(0, SAMPLE);
  const zeros = [0, 0];
  sample.forEach((byte, i) => zeros[i % 2]! += byte === 0 ? 1 : 0);
  const [low, high] = [Math.min(...zeros), Math.max(...zeros)];
  return low === 0 && high > 0 && high >= sample.length / 4;
}
