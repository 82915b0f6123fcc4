import { cleanEnvironment } from "../../../ffi/linux/environment.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { exceedsItsUser } from "../../../ffi/linux/capabilities.ts";
import { TtunError } from "../../base/errors.ts";
import { isGranted } from "./permissions.ts";

/** Folders of programs that no user but root may write to. */
const TRUSTED_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Bits of a file's mode: all may run it, or others than its owner may change it. */
const TOO_OPEN = 0o023;

/** Variables that no program takes code, a file or a program from. */
const HARMLESS = /^(TTUN_\w+|XDG_(STATE|CONFIG)_HOME|XDG_RUNTIME_DIR|LC_\w+)$/;
const HARMLESS_NAMES = [
  ...["HOME", "USER", "LOGNAME", "LANG", "TERM", "NO_COLOR"],
  ...["CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", "LOGS_DIRECTORY"],
  "NOTIFY_SOCKET",
];

/**
 * Refuses commands of the user's choice while the program's file has capabilities that the user has
 * not (setcap): they are for ttun alone. `options`: names of those that run something.
 * @throws {TtunError} privilege
 */
export function refuseUsersCommands(options: readonly string[]): void {
  if (options.length === 0 || !hasMoreThanItsUser()) return;
  throw new TtunError(
    "privilege",
    `Cannot take ${options.map((name) => `--${name}`).join(" and ")}: this program's file has ` +
      "capabilities that its user has not (setcap), and no command of the user's is run with them " +
      "around; start it by sudo, or make a device for the user: sudo ttun device add",
  );
}

/**
 * Takes everything from the environment by which the user would choose what programs do that ttun
 * runs with such a capability, as nft and iptables. Does nothing where ttun has no more than its
 * user. @throws {TtunError} privilege, if all may run the file; {NativeError}
 */
export function keepUsersEnvironmentOut(): void {
  if (!hasMoreThanItsUser()) return;
  cleanEnvironment({
    keeps: (name) => HARMLESS.test(name) || HARMLESS_NAMES.includes(name),
    path: TRUSTED_PATH,
  });
  const path = Deno.execPath();
  const { mode, uid } = Deno.statSync(path);
  if (uid === 0 && (mode! & TOO_OPEN) === 0) return;
  throw new TtunError(
    "privilege",
    `Cannot start: every user of this machine could change its network by ${path}, whose file has ` +
      `capabilities; keep them to the group ttun: sudo chown root:ttun ${path} && sudo chmod 0750 ` +
      `${path}, and setcap again`,
  );
}

/** Root has all of them itself. */
function hasMoreThanItsUser(): boolean {
  if (Deno.build.os !== "linux" || !isGranted({ name: "ffi" })) return false;
  using libc = openLibc();
  return exceedsItsUser(libc);
}
