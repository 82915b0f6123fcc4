import { removeIfThere } from "./present.ts";

export interface NewFile {
  /** Permission bits before the umask. */
  readonly mode: number;
  /** Waits for the disk; otherwise a power failure could leave the name without its content. */
  readonly durable?: boolean;
}

/**
 * Fails if the name exists, even as a dangling symbolic link (O_CREAT | O_EXCL, open(2)). What cannot
 * be written whole, as on a full disk, is not there afterwards.
 */
export function writeNew(path: string, bytes: Uint8Array, { mode, durable }: NewFile): void {
  const file = Deno.openSync(path, { write: true, createNew: true, mode });
  fill(file, path, bytes, durable === true);
  file.close();
}

/** Fails like `writeNew`. The returned file is open for reading too; the caller closes it. */
export function openNew(path: string, bytes: Uint8Array, { mode, durable }: NewFile): Deno.FsFile {
  const file = Deno.openSync(path, { read: true, write: true, createNew: true, mode });
  fill(file, path, bytes, durable === true);
  return file;
}

/** Writes it whole, or closes and removes it. */
function fill(file: Deno.FsFile, path: string, bytes: Uint8Array, isDurable: boolean): void {
  try {
    writeAll(file, bytes);
    if (isDurable) file.syncDataSync();
  } catch (error) {
    file.close();
    removeIfThere(path);
    throw error;
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
