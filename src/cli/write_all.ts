/** Where bytes go; Deno.stdout and Deno.stderr are such. */
export interface SyncWriter {
  writeSync(bytes: Uint8Array): number;
}

/** Writes all of `bytes`, in one call where the system takes them at once. */
export function writeAll(writer: SyncWriter, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writer.writeSync(bytes.subarray(at));
}
