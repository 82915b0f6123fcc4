import { addressText, type LocalAddress, refuseForMtu } from "./local_address.ts";
import type { Change, Step } from "./command_steps.ts";

/** Returns a refusal, with the reason, if the address cannot work. */
export function addressStep(
  device: string,
  mtu: number,
  address: LocalAddress,
  changes: readonly Change[],
): Step {
  const doing = `give ${device} the address ${addressText(address)}`;
  const refusal = refuseForMtu(device, address, mtu);
  if (refusal === null) return { doing, changes, address: address.local };
  return { doing, changes: [], address: address.local, refusal };
}
