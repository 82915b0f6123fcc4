import { resolveListenHost } from "../platform/resolve.ts";
import type { Endpoint } from "./endpoint.ts";

export async function resolveListen(one: Endpoint, signal: AbortSignal): Promise<Endpoint> {
  const { scheme, at } = one;
  if (typeof at === "string") return one;
  return { scheme, at: { ...at, host: await resolveListenHost(at.host, signal) } };
}
