import { SystemdMachine } from "../systemd_machine.ts";
import { builtBinary } from "./binary.ts";

/** A machine with the executable; null, which is told, where there can be none. */
export async function bootSystemd(): Promise<SystemdMachine | null> {
  const { file } = await builtBinary();
  const machine = await SystemdMachine.boot(file);
  if (typeof machine !== "string") return machine;
  console.log(`Services under systemd are not tested: ${machine}`);
  return null;
}
