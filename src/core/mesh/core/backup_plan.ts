/** Changes of these are in a backup within seconds; everything else within the hour. */
const URGENT = ["name/", "cert/", "conf/", "enrol/", "acme/"];

/** Milliseconds from such a change to the backup, in which others join it. */
const GATHER_MS = 5_000;

/** Milliseconds after which a backup that failed is tried again. */
const RETRY_MS = 60_000;

/** Says when a core is to be backed up. Times are those of a monotonic clock. */
export class BackupPlan {
  readonly #everyMs: number;
  #due: number;

  /** The first backup is made soon after the start: nobody knows how old the last one is. */
  constructor(everyMs: number, nowMs: number) {
    this.#everyMs = everyMs;
    this.#due = nowMs + GATHER_MS;
  }

  due(): number {
    return this.#due;
  }

  changed(key: string, nowMs: number): void {
    if (URGENT.some((prefix) => key.startsWith(prefix))) {
      this.#due = Math.min(this.#due, nowMs + GATHER_MS);
    }
  }

  /** A backup that begins has all changes until now; those that come while it runs set it again. */
  began(nowMs: number): void {
    this.#due = nowMs + this.#everyMs;
  }

  failed(nowMs: number): void {
    this.#due = Math.min(this.#due, nowMs + RETRY_MS);
  }
}
