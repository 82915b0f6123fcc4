import { removeIfThere } from "./present.ts";

export interface NewFile {
  /** Permission bits before the umask. */
  readonly mode: number;
  /** The file has these bits whatever the umask is. */
  readonly isModeExact?: boolean;
  /** Waits for the disk; otherwise a power failure could leave the name without its content. */
  readonly durable?: boolean;
}

/**
 * Fails if the name exists, even as a dangling symbolic link (O_CREAT | O_EXCL, open(2)). What cannot
 * be written whole, as on a full disk, is not there afterwards.
 */
export function writeNew(path: string, bytes: Uint8Array, o: NewFile): void {
  const file = Deno.openSync(path, { write: true, createNew: true, mode: o.mode });
  fill(file, path, bytes, o);
  file.close();
}

/**
 * Puts a new file in the place of `path`, in one step: nobody sees half of it. Until then its name is
 * `next`, for which this fails like `writeNew`.
 */
export function replaceAtomically(path: string, next: string, bytes: Uint8Array, o: NewFile): void {
  writeNew(next, bytes, o);
  try {
    Deno.renameSync(next, path);
  } catch (error) {
    removeIfThere(next);
    throw error;
  }
}

/** Fails like `writeNew`. The returned file is open for reading too; the caller closes it. */
export function openNew(path: string, bytes: Uint8Array, o: NewFile): Deno.FsFile {
  const file = Deno.openSync(path, { read: true, write: true, createNew: true, mode: o.mode });
  fill(file, path, bytes, o);
  return file;
}

/** Writes it whole, or closes and removes it. */
function fill(file: Deno.FsFile, path: string, bytes: Uint8Array, o: NewFile): void {
  try {
    writeAll(file, bytes);
    if (o.durable === true) file.syncDataSync();
    if (o.isModeExact === true && Deno.build.os !== "windows") Deno.chmodSync(path, o.mode);
  } catch (error) {
    file.close();
    removeIfThere(path);
    throw error;
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
