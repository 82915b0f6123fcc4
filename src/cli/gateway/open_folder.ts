import { FolderEnds } from "../../app/gateway/folder_ends.ts";
import type { TargetEnds } from "../../app/gateway/target_pool.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { OpenSiteFolder } from "../../io/site/site_folder.ts";

/** Opens a folder whose files are published (Linux). @throws {TtunError} usage, privilege */
export function openFolder(
  path: string,
  isListed: boolean,
  { log, opened }: { readonly log: Logger; readonly opened: AsyncDisposableStack },
): TargetEnds {
  if (Deno.build.os !== "linux") {
    throw new TtunError(
      "usage",
      "Cannot publish a folder on this system yet: publish a web server that has it",
    );
  }
  const folder = opened.use(new OpenSiteFolder(path));
  return new FolderEnds({ folder, isListed, log });
}
