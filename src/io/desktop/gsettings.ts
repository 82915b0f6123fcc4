import type { RunCommand } from "../netcfg/command_steps.ts";
import { ask } from "./ask_program.ts";
import type { ProxyStore } from "./proxy_setting.ts";

const SCHEMA = "org.gnome.system.proxy";

/** GNOME, and desktops that use its settings. Values are in GVariant's text, quotes included. */
export function gsettings(run: RunCommand): ProxyStore {
  const get = (key: string) => ask(run, ["gsettings", "get", SCHEMA, key]).trim();
  const set = (key: string, value = "''") => ask(run, ["gsettings", "set", SCHEMA, key, value]);
  return {
    read: () => ({ mode: get("mode"), url: get("autoconfig-url") }),
    write: ({ mode, url }) => {
      set("autoconfig-url", url); // first: programs look when the mode changes
      set("mode", mode ?? "'none'");
    },
    automatic: (url) => ({ mode: "'auto'", url: `'${url}'` }),
  };
}
