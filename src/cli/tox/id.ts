import { formatToxId } from "../../core/tox/tox_id.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { serverFolder } from "./folder.ts";
import { makeIdentity } from "./make_identity.ts";
import type { ToxIdFlags } from "./options.ts";

/** Prints the Tox ID of a server's identity, which is made where there is none. @throws {TtunError} */
export async function runToxId({ configDir }: ToxIdFlags, { signal }: RunContext): Promise<number> {
  requirePermissions(socketNeeds("ffi", "make a Tox ID"));
  const { address } = makeIdentity(configDir ?? serverFolder());
  await print(`${formatToxId(address)}\n`, signal);
  return 0;
}
