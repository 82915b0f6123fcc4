import { TtunError } from "../../base/errors.ts";
import type { RunCommand } from "../netcfg/command_steps.ts";
import { ask } from "./ask_program.ts";
import type { ProxyStore } from "./proxy_setting.ts";

const AT = ["--file", "kioslaverc", "--group", "Proxy Settings", "--key"];
const TYPE = "ProxyType";
const SCRIPT = "Proxy Config Script";

/** Has programs that run read the file again. */
const NOTIFY = [
  ...["dbus-send", "--type=signal", "/KIO/Scheduler"],
  ...["org.kde.KIO.Scheduler.reparseSlaveConfiguration", "string:"],
];

/** KDE Plasma; of a value that is not there it tells "". `version`: of the programs' names. */
export function kwriteconfig(version: "5" | "6", run: RunCommand): ProxyStore {
  const get = (key: string) => ask(run, [`kreadconfig${version}`, ...AT, key]).trim();
  const set = (key: string, value = "") =>
    ask(run, [`kwriteconfig${version}`, ...AT, key, ...(value === "" ? ["--delete"] : [value])]);
  return {
    read: () => ({ mode: get(TYPE), url: get(SCRIPT) }),
    write: ({ mode, url }) => {
      set(SCRIPT, url);
      set(TYPE, mode);
      notify(run);
    },
    automatic: (url) => ({ mode: "2", url }),
  };
}

/** Programs that are not told read the file when they start. */
function notify(run: RunCommand): void {
  try {
    run(NOTIFY);
  } catch (error) {
    if (!(error instanceof TtunError)) throw error;
  }
}
