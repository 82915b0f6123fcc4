import { TtunError } from "../../base/errors.ts";
import { whyNotOurs } from "../platform/folders.ts";

/** Makes the folder for logs that name no file of their own. @throws {TtunError} usage, privilege */
export function makeLogFolder(folder: string): void {
  refuseOthers(folder);
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o755 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TtunError("privilege", `Cannot make the folder ${folder} for logs: ${why}`, {
      cause: error,
    });
  }
  refuseOthers(folder); // a part of the way may have been put there meanwhile
}

function refuseOthers(folder: string): void {
  const why = whyNotOurs(folder);
  if (why === null) return;
  throw new TtunError("usage", `Cannot make the folder ${folder} for logs: ${why}`);
}
