import type { FileTime, ReadableFile } from "./files.ts";

/** A file of a folder that is published. */
export interface SiteFile extends ReadableFile {
  readonly kind: "file";
  readonly size: number;
  readonly modified: FileTime;
}

export interface SiteEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** A folder whose files are published, and nothing outside of it. */
export interface SiteFolder {
  /**
   * Opens what is there; null = nothing, or something that is no file and no folder, or a link. The
   * parts of `path` are separated by slashes, and none is `.` or `..`; "" = the folder itself.
   * @throws {TtunError}
   */
  open(path: string): SiteFile | { readonly kind: "folder" } | null;
  /**
   * Lists the first files and folders of a folder by their names, none of which begins with a dot; null =
   * there is no such folder. @throws {TtunError}
   */
  list(path: string): SiteEntry[] | null;
}
