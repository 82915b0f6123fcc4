import type { RunCommand } from "../netcfg/command_steps.ts";
import { ask } from "./ask_program.ts";
import type { ProxySetting, ProxyStore } from "./proxy_setting.ts";

const PROGRAM = "networksetup";

/** The program prints this where there is no address. */
const NO_URL = "(null)";

/**
 * macOS: each network service has a setting of its own, "on" or "off" and an address. Has not run on
 * a Mac yet.
 */
export function networksetup(run: RunCommand): ProxyStore {
  return {
    read: () =>
      Object.fromEntries(
        services(run).map((name) => {
          const text = ask(run, [PROGRAM, "-getautoproxyurl", name]);
          const url = /^URL: (.*)$/m.exec(text)?.[1]?.trim() ?? NO_URL;
          const isOn = /^Enabled: Yes/m.test(text);
          return [name, `${isOn ? "on" : "off"} ${url}`];
        }),
      ),
    write: (setting) => {
      for (const [name, value] of Object.entries(setting)) {
        const [state, url] = [
          value.slice(0, value.indexOf(" ")),
          value.slice(value.indexOf(" ") + 1),
        ];
        if (url !== NO_URL) ask(run, [PROGRAM, "-setautoproxyurl", name, url]);
        ask(run, [PROGRAM, "-setautoproxystate", name, state]); // the call above switches it on
      }
    },
    automatic: (url, before): ProxySetting =>
      Object.fromEntries(Object.keys(before).map((name) => [name, `on ${url}`])),
  };
}

/** The first line is an explanation; a star marks a service that is switched off. */
function services(run: RunCommand): string[] {
  return ask(run, [PROGRAM, "-listallnetworkservices"]).split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("An asterisk") && !line.startsWith("*"));
}
