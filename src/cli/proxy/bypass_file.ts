import { TtunError } from "../../base/errors.ts";
import { parseDirectFile } from "../../core/proxy/bypass_rules.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import { readBounded } from "../secrets/read_bounded.ts";
import { utf8Text } from "../secrets/text_bytes.ts";

/** Most bytes; a larger file is the wrong one. */
const LIMIT = 16 * 1024 * 1024;

const KIND = "file for --direct";

/** Reads entries of core/proxy/bypass_rules.ts. @throws {TtunError} usage, privilege */
export async function readDirectFile(
  path: string,
  host: Pick<KeyEnvironment, "open"> = denoKeyEnvironment,
): Promise<string[]> {
  const name = `${KIND} ${JSON.stringify(path)}`;
  const refuse = (why: string, cause?: unknown) =>
    new TtunError("usage", `Cannot use ${name}: ${why}`, { cause });
  using file = await host.open(path, KIND);
  if (file === undefined) throw refuse("there is no such file");
  if ((await file.info()).isDirectory) throw refuse("it is a directory");
  const bytes = await readBounded(file, LIMIT);
  if (bytes === null) throw refuse("it is over 16 MiB");
  const text = new TextDecoder().decode(utf8Text(bytes, name));
  try {
    return parseDirectFile(text);
  } catch (error) {
    if (!(error instanceof TtunError)) throw error;
    throw refuse(error.message, error);
  }
}
