import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment } from "./key_environment.ts";
import { LINK, readSecretFile } from "./secret_file.ts";

/** Reads a link from a file that is its owner's alone; `-` is standard input. @throws {TtunError} */
export async function readLink(path: string, context: Pick<RunContext, "signal">): Promise<string> {
  const bytes = await readSecretFile(path, LINK, context, denoKeyEnvironment);
  return new TextDecoder().decode(bytes).trim();
}
