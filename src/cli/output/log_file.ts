import { requirePermissions } from "../platform/permissions.ts";
import { type AsyncWriter, LogOutput } from "./log_output.ts";
import { openLog } from "./open_log.ts";

/** Milliseconds to write the last lines. */
const FLUSH_MS = 300;

/** The file of --log-file. Disposal writes what waits, and closes it. */
export class LogFile implements AsyncDisposable {
  readonly output: LogOutput;
  readonly #path: string;
  #file: Deno.FsFile;
  /** Replaced by `reopen`; a write may still be under way. */
  readonly #replaced: Deno.FsFile[] = [];

  /** @throws {TtunError} usage, privilege */
  constructor(path: string) {
    const purpose = `write log file ${JSON.stringify(path)}`;
    requirePermissions([{ permission: { name: "write", path }, purpose }]);
    this.#path = path;
    this.#file = openLog(path);
    const writer: AsyncWriter = { write: (bytes) => this.#write(bytes) };
    this.output = new LogOutput(writer);
  }

  /** Opens the path once more, when the file has been moved away. @throws {TtunError} */
  reopen(): void {
    const next = openLog(this.#path);
    this.#replaced.push(this.#file);
    this.#file = next;
  }

  /** Called for one write after the other: no earlier one is under way. */
  #write(bytes: Uint8Array): Promise<number> {
    for (const file of this.#replaced.splice(0)) file.close();
    return this.#file.write(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.output.flush(FLUSH_MS);
    for (const file of [...this.#replaced.splice(0), this.#file]) file.close();
  }
}
