import { openToxcore } from "../../../ffi/tox/toxcore.ts";
import { keepIdentity, readIdentity } from "./identity.ts";

export interface ToxIdentity {
  readonly address: Uint8Array<ArrayBuffer>;
  readonly savedata: Uint8Array<ArrayBuffer>;
}

/** Returns the identity that is kept in a folder; makes one where there is none. @throws {TtunError} */
export function makeIdentity(folder: string): ToxIdentity {
  const kept = readIdentity(folder);
  using toxcore = openToxcore(Deno.build.os, Deno.execPath());
  // Nothing is sent, as it is never iterated.
  using tox = toxcore.open({
    savedata: kept ?? undefined,
    ...{ udp: false, ipv6: false, localDiscovery: false },
  });
  const { address, savedata } = tox;
  if (kept === null) keepIdentity(folder, savedata);
  return { address, savedata };
}
