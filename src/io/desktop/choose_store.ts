import { canRun } from "../changes/run_program.ts";
import type { StoreProgram } from "./proxy_setting.ts";

/**
 * Returns the program that this desktop keeps its proxy setting with; null if none is there.
 * `desktop`: XDG_CURRENT_DESKTOP, as "ubuntu:GNOME". `runs`: a stand-in for tests.
 */
export function chooseStore(
  system: typeof Deno.build.os,
  desktop: string,
  runs: (command: readonly string[]) => boolean = canRun,
): StoreProgram | null {
  if (system === "darwin") return "networksetup";
  if (system === "windows") return "reg";
  if (/(^|:)KDE(:|$)/i.test(desktop)) {
    const both = ["6", "5"] as const;
    const found = both.find((version) => runs([`kreadconfig${version}`, "--version"]));
    if (found !== undefined) return `kwriteconfig${found}`;
  }
  return runs(["gsettings", "writable", "org.gnome.system.proxy", "mode"]) ? "gsettings" : null;
}
