import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { connectNotify, notify } from "../../../ffi/linux/notify_socket.ts";
import { TtunError } from "../../base/errors.ts";
import { type LogLevel, type LogRecord, URGENCY } from "../../base/log.ts";
import { requirePermissions } from "../platform/permissions.ts";
import { messageText } from "./log_writer.ts";

/** Where daemons of syslog and systemd's journal listen. */
const SOCKET = "/dev/log";

/** Facility local1 of syslog(3), which the program tuntox takes too, in its place of a priority. */
const LOCAL1 = 17 << 3;

const SEVERITY: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The system's log (syslog(3)). It never waits: a line that is not taken at once is lost. */
export class SystemLog implements Disposable {
  readonly #libc: Libc;
  readonly #path: string;
  readonly #level: LogLevel;
  /** Null = it is not connected. */
  #fd: number | null = null;

  /** `path`: for tests. @throws {TtunError} system, where there is no such log; privilege */
  constructor(level: LogLevel, path = SOCKET) {
    const why = "log to the system's log";
    if (Deno.build.os !== "linux") {
      throw new TtunError("system", `Cannot ${why} here: --syslog is for Linux only so far`);
    }
    requirePermissions([{ permission: { name: "ffi" }, purpose: why }]);
    this.#level = level;
    this.#path = path;
    this.#libc = openLibc();
    this.#connect();
  }

  /** There is somebody who listens. */
  get isConnected(): boolean {
    return this.#fd !== null;
  }

  readonly print = (record: LogRecord): void => {
    if (URGENCY[record.level] < URGENCY[this.#level]) return;
    const line = systemLine(record, Deno.pid);
    if (this.#send(line)) return;
    this.#close(); // its daemon may be another one by now
    this.#connect();
    this.#send(line);
  };

  #send(line: string): boolean {
    return this.#fd !== null && notify(this.#libc, this.#fd, line);
  }

  #connect(): void {
    try {
      this.#fd = connectNotify(this.#libc, this.#path);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }

  #close(): void {
    if (this.#fd !== null) this.#libc.close(this.#fd);
    this.#fd = null;
  }

  [Symbol.dispose](): void {
    this.#close();
    this.#libc[Symbol.dispose]();
  }
}

/** Returns a line such as glibc's: `<142>Nov  3 09:00:00 ttun[4711]: message key=value`. */
export function systemLine(record: LogRecord, pid: number): string {
  const at = new Date(record.time);
  const two = (number: number) => String(number).padStart(2, "0");
  const day = String(at.getDate()).padStart(2);
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  const priority = LOCAL1 | SEVERITY[record.level];
  return `<${priority}>${MONTHS[at.getMonth()]} ${day} ${time} ttun[${pid}]: ${
    messageText(record)
  }`;
}
