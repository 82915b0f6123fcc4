import type { RunCommand } from "../netcfg/command_steps.ts";
import { runCommand } from "../netcfg/command_steps.ts";
import { gsettings } from "./gsettings.ts";
import { kwriteconfig } from "./kwriteconfig.ts";
import { networksetup } from "./networksetup.ts";
import type { ProxyStore, StoreProgram } from "./proxy_setting.ts";
import { reg } from "./reg.ts";

/** `run`: a stand-in for tests. */
export function storeOf(by: StoreProgram, run: RunCommand = runCommand): ProxyStore {
  switch (by) {
    case "gsettings":
      return gsettings(run);
    case "kwriteconfig5":
      return kwriteconfig("5", run);
    case "kwriteconfig6":
      return kwriteconfig("6", run);
    case "networksetup":
      return networksetup(run);
    case "reg":
      return reg(run);
  }
}
