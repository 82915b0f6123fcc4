export interface NewFile {
  /** Permission bits before the umask. */
  readonly mode: number;
  /** Waits for the disk; otherwise a power failure could leave the name without its content. */
  readonly durable?: boolean;
}

/** Fails if the name exists, even as a dangling symbolic link (O_CREAT | O_EXCL, open(2)). */
export function writeNew(path: string, bytes: Uint8Array, { mode, durable }: NewFile): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode });
  writeAll(file, bytes);
  if (durable === true) file.syncDataSync();
}

/** The returned file is open for reading too; the caller closes it. */
export function openNew(path: string, bytes: Uint8Array, { mode }: NewFile): Deno.FsFile {
  const file = Deno.openSync(path, { read: true, write: true, createNew: true, mode });
  try {
    writeAll(file, bytes);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
