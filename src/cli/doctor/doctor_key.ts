import { toTtunError, TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import { resolveKey } from "../secrets/key_source.ts";
import { namedKeys } from "../secrets/named_keys.ts";
import type { DoctorFlags } from "./options.ts";

/** Never asks for a key: most checks need none. */
const QUIET: KeyEnvironment = {
  ...denoKeyEnvironment,
  terminal: { ...denoKeyEnvironment.terminal, isTerminal: () => false },
};

export type DoctorKey = { readonly key: Uint8Array } | { readonly why: string };

/**
 * Finds the key as a client does, and of a server's file of several the first one.
 * @throws {TtunError} usage, privilege: where the user has named a key that cannot be used
 */
export async function doctorKey(
  options: Pick<DoctorFlags, "key" | "keyFile"> & { readonly linkKey?: Uint8Array },
  context: RunContext,
): Promise<DoctorKey> {
  try {
    const found = await resolveKey(options, context, QUIET);
    return { key: namedKeys(found)?.[0]?.password ?? found.key };
  } catch (error) {
    const isNamed = options.key ?? options.keyFile ?? options.linkKey;
    if (!(error instanceof TtunError) || isNamed !== undefined) throw error;
    return { why: toTtunError(error).message };
  }
}
