import type { TrafficSecrets } from "../v2/key_schedule.ts";
import { derive } from "../v2/secrets.ts";
import type { DatagramOpener, DatagramSealer } from "./datagram.ts";
import { HeadMask } from "./head.ts";

/** Heads of both directions under one key; good for all sessions under it. */
export interface HeadMasks {
  readonly client: HeadMask;
  readonly server: HeadMask;
}

/** `s`: the secret S, borrowed. */
export function headMasks(s: Uint8Array): HeadMasks {
  return { client: new HeadMask(s, "c"), server: new HeadMask(s, "s") };
}

/** Returns D of both directions, for the caller to overwrite. */
export function datagramSecrets(
  { packets }: Pick<TrafficSecrets, "packets">,
): { client: Uint8Array; server: Uint8Array } {
  return { client: derive(packets, "udp c"), server: derive(packets, "udp s") };
}

export interface DatagramKeys {
  readonly sealer: DatagramSealer;
  readonly opener: DatagramOpener;
}

/** Overwrites the keys of both directions. */
export function disposeKeys({ sealer, opener }: DatagramKeys): void {
  sealer[Symbol.dispose]();
  opener[Symbol.dispose]();
}
