import { TtunError } from "../../base/errors.ts";
import { stateDirectory } from "../platform/state_file.ts";

/** Returns where a server's identity is by itself. @throws {TtunError} usage, if there is no place */
export function serverFolder(): string {
  const folder = stateDirectory();
  if (folder !== null) return folder;
  throw new TtunError(
    "usage",
    "Cannot keep the identity: there is no HOME and no STATE_DIRECTORY; give a folder by -C",
  );
}
