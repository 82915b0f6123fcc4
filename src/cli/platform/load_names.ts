import { ADDRESSES_ONLY } from "../../app/net/name_service.ts";
import type { Resolver } from "../../contract/host.ts";
import { load } from "../plane/load.ts";
import type { SocketPlatform } from "./platform.ts";

/** Like `openNames` (names.ts), which is loaded on demand. */
export type OpenNames = (
  ask: (host: string) => Promise<string[]>,
  platform: SocketPlatform,
) => Resolver;

/**
 * Loads what resolves names, where there can be any: an end that is given addresses alone starts
 * without. Call it before there is a reactor: while its loop blocks nothing can be loaded.
 */
export async function loadNames(mayMeetNames: boolean): Promise<OpenNames> {
  if (!mayMeetNames) return () => ADDRESSES_ONLY;
  return (await load(() => import("./names.ts"))).openNames;
}
