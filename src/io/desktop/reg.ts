import type { RunCommand } from "../netcfg/command_steps.ts";
import { ask } from "./ask_program.ts";
import type { ProxyStore } from "./proxy_setting.ts";

const KEY = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings";
const VALUE = "AutoConfigURL";

/**
 * Windows: a value of the user's registry, which is not there by default. Programs that run may see
 * it only when they start again. Has not run on Windows yet.
 */
export function reg(run: RunCommand): ProxyStore {
  return {
    read: () => {
      // It fails for a value that is not there.
      const { code, output } = run(["reg", "query", KEY, "/v", VALUE]);
      const url = code === 0 ? /AutoConfigURL\s+REG_SZ\s+(.*)$/m.exec(output)?.[1] : undefined;
      return { url: url?.trim() ?? "" };
    },
    write: ({ url = "" }) => {
      const change = url === ""
        ? ["reg", "delete", KEY, "/v", VALUE, "/f"]
        : ["reg", "add", KEY, "/v", VALUE, "/t", "REG_SZ", "/d", url, "/f"];
      ask(run, change);
    },
    automatic: (url) => ({ url }),
  };
}
