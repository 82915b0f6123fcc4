import { utf8 } from "../../base/bytes.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { readVariable } from "../platform/variables.ts";

/** Has what --basic-auth reads from a file. */
const VARIABLE = "TTUN_MESH_LOGINS";

/** Its name among the secrets that a process in the foreground hands over. */
const HANDED = "mesh logins";

/** Packs the logins of the environment for a process in the background. */
export function loginsSecrets(): Secrets {
  const text = readVariable(VARIABLE);
  return text === undefined || text === "" ? {} : { [HANDED]: utf8(text) };
}

/** Returns the logins of a process in the foreground, or of the environment; null = there are none. */
export function takeLogins({ background }: Pick<RunContext, "background">): string | null {
  const handed = background?.secrets[HANDED];
  if (handed !== undefined) return new TextDecoder().decode(handed);
  const text = readVariable(VARIABLE);
  if (text !== undefined) denoKeyEnvironment.env.forget(VARIABLE);
  return text === undefined || text === "" ? null : text;
}
