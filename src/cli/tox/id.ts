import { formatToxId } from "../../core/tox/tox_id.ts";
import { openToxcore } from "../../../ffi/tox/toxcore.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import { serverFolder } from "./folder.ts";
import { keepIdentity, readIdentity } from "./identity.ts";
import type { ToxIdFlags } from "./options.ts";

/** Prints the Tox ID of a server's identity, which is made where there is none. @throws {TtunError} */
export async function runToxId({ configDir }: ToxIdFlags, { signal }: RunContext): Promise<number> {
  requirePermissions(socketNeeds("ffi", "make a Tox ID"));
  const folder = configDir ?? serverFolder();
  const savedata = readIdentity(folder);
  using toxcore = openToxcore(Deno.build.os, Deno.execPath());
  // Nothing is sent, as it is never iterated.
  using tox = toxcore.open({
    savedata: savedata ?? undefined,
    ...{ udp: false, ipv6: false, localDiscovery: false },
  });
  if (savedata === null) keepIdentity(folder, tox.savedata);
  await print(`${formatToxId(tox.address)}\n`, signal);
  return 0;
}
