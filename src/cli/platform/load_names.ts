import { ADDRESSES_ONLY } from "../../app/net/name_service.ts";
import type { Resolver } from "../../contract/host.ts";
import { load } from "../plane/load.ts";
import type { SocketPlatform } from "./platform.ts";

export type OpenNames = (
  ask: (host: string) => Promise<string[]>,
  platform: SocketPlatform,
  carrier?: { readonly mark?: number | undefined },
) => Resolver;

/** Must be called before a reactor exists: nothing can be loaded while its loop blocks. */
export async function loadNames(mayMeetNames: boolean): Promise<OpenNames> {
  if (!mayMeetNames) return () => ADDRESSES_ONLY;
  return (await load(() => import("./names.ts"))).openNames;
}
