import type { ToxInstance } from "../../../ffi/tox/tox.ts";
import type { ToxEvent } from "../../../ffi/tox/tox_types.ts";
import type { RecordRing, RingRecord } from "./record_ring.ts";
import {
  COMMAND,
  connectionBytes,
  errorBytes,
  REPORT,
  serverOf,
  takenBytes,
} from "./thread_records.ts";
import { WaitingPackets } from "./waiting_packets.ts";

/**
 * Milliseconds between iterations while packets come or wait: a longer pause makes answers late. The
 * library asks for 1, by which its speed grows more slowly: it counts by steps of some 50 ms.
 */
const BUSY_MS = 5;

/** Milliseconds for which it stays so after the last packet. */
const STAYS_BUSY_MS = 200;

/** Milliseconds until it looks again whether there is room for reports. */
const ROOM_MS = 1;

/** Milliseconds at the end for packets that the library has not taken. */
const LAST_MS = 400;

export interface ToxEngineOptions {
  /** Owned by the engine. */
  readonly tox: ToxInstance;
  readonly commands: RecordRing;
  readonly reports: RecordRing;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/**
 * An instance of libtoxcore that does what another thread tells it, and reports to that thread. While
 * there is no room for reports it does not iterate: what comes waits in the socket, or is sent again.
 */
export class ToxEngine {
  readonly #tox: ToxInstance;
  readonly #commands: RecordRing;
  readonly #reports: RecordRing;
  readonly #now: () => number;
  /** The library's number of a friend by ours, and ours by the library's. */
  readonly #numbers = new Map<number, number>();
  readonly #friends = new Map<number, number>();
  readonly #waiting: WaitingPackets;
  /** Writes of reports for which there was no room, the oldest first. */
  readonly #late: (() => boolean)[] = [];
  #isStarted = false;
  #isClosed = false;
  /** Packets that still wait then are lost; null = nobody has told it to stop. */
  #stopsAt: number | null = null;
  #nextAt = 0;
  #busyUntil = 0;

  /** Friends of an identity that was kept are forgotten: they would come without being asked. */
  constructor({ tox, commands, reports, now }: ToxEngineOptions) {
    this.#tox = tox;
    this.#commands = commands;
    this.#reports = reports;
    this.#now = now;
    this.#waiting = new WaitingPackets((friend, packet) => this.#give(friend, packet));
    for (const friend of tox.friends) tox.deleteFriend(friend);
  }

  /** Does what is due. Returns the milliseconds until the next time; null = it has ended. */
  step(): number | null {
    try {
      this.#reportLate();
      if (!this.#isClosed) this.#work();
    } catch (error) {
      this.#report(REPORT.failed, 0, errorBytes(error));
      this.#close();
    }
    if (this.#late.length > 0) return ROOM_MS;
    if (this.#isClosed) return null;
    return this.#isStarted ? Math.max(0, this.#nextAt - this.#now()) : Infinity;
  }

  #work(): void {
    for (let record = this.#commands.read(); record !== null; record = this.#commands.read()) {
      this.#take(record);
    }
    const canReport = this.#late.length === 0;
    if (this.#isStarted && canReport && this.#now() >= this.#nextAt) this.#iterate();
    this.#waiting.eachTaken((friend, count, isWaiting) => {
      this.#report(REPORT.taken, friend, takenBytes(count, isWaiting));
    });
    if (this.#stopsAt === null) return;
    if (!this.#waiting.isEmpty && this.#now() < this.#stopsAt) return;
    this.#close();
    this.#report(REPORT.stopped);
  }

  #iterate(): void {
    for (const event of this.#tox.iterate()) this.#tell(event);
    this.#waiting.flush();
    const now = this.#now();
    this.#nextAt = now + (now < this.#busyUntil ? BUSY_MS : this.#tox.interval);
  }

  #take({ kind, friend, bytes }: RingRecord): void {
    switch (kind) {
      case COMMAND.packet:
        return this.#waiting.add(friend, bytes);
      case COMMAND.start:
        this.#isStarted = true;
        return;
      case COMMAND.bootstrap:
        return void this.#tox.bootstrap(serverOf(bytes, this.#tox.sizes.publicKey));
      case COMMAND.addRelay:
        return void this.#tox.addRelay(serverOf(bytes, this.#tox.sizes.publicKey));
      case COMMAND.addFriend: {
        const size = this.#tox.sizes.address;
        const [address, message] = [bytes.subarray(0, size), bytes.subarray(size)];
        return this.#add(friend, () => this.#tox.addFriend(address, message));
      }
      case COMMAND.acceptFriend:
        return this.#add(friend, () => this.#tox.acceptFriend(bytes));
      case COMMAND.deleteFriend:
        return this.#delete(friend);
      case COMMAND.stop:
        this.#stopsAt = this.#now() + LAST_MS;
        return;
    }
  }

  #add(friend: number, add: () => number): void {
    try {
      const number = add();
      this.#numbers.set(friend, number);
      this.#friends.set(number, friend);
    } catch (error) {
      this.#report(REPORT.refused, friend, errorBytes(error));
    }
  }

  #delete(friend: number): void {
    const number = this.#numbers.get(friend);
    if (number === undefined) return;
    this.#numbers.delete(friend);
    this.#friends.delete(number);
    this.#waiting.drop(friend);
    this.#tox.deleteFriend(number);
  }

  /** Gives the library a packet. Returns false if it takes none at the moment. */
  #give(friend: number, packet: Uint8Array<ArrayBuffer>): boolean {
    const number = this.#numbers.get(friend);
    // Of a friend that is gone the other thread knows, or is told.
    const result = number === undefined ? "offline" : this.#tox.send(number, packet);
    if (result !== "offline") this.#stayBusy();
    return result !== "full";
  }

  /** A pause that has begun as a long one ends sooner. */
  #stayBusy(): void {
    const now = this.#now();
    if (now >= this.#busyUntil) this.#nextAt = Math.min(this.#nextAt, now + BUSY_MS);
    this.#busyUntil = now + STAYS_BUSY_MS;
  }

  #tell(event: ToxEvent): void {
    if (event.kind === "self") {
      return this.#report(REPORT.self, 0, connectionBytes(event.connection));
    }
    if (event.kind === "request") {
      return this.#report(REPORT.request, 0, event.publicKey, event.message);
    }
    const friend = this.#friends.get(event.friend);
    if (friend === undefined) return;
    if (event.kind === "friend") {
      return this.#report(REPORT.friend, friend, connectionBytes(event.connection));
    }
    this.#busyUntil = this.#now() + STAYS_BUSY_MS;
    this.#report(REPORT.packet, friend, event.bytes);
  }

  #report(kind: number, friend = 0, ...parts: readonly Uint8Array[]): void {
    const write = () => this.#reports.write(kind, friend, ...parts);
    if (this.#late.length > 0 || !write()) this.#late.push(write);
  }

  #reportLate(): void {
    const done = this.#late.findIndex((write) => !write());
    this.#late.splice(0, done < 0 ? this.#late.length : done);
  }

  /** Friends are told. */
  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#tox[Symbol.dispose]();
    } catch (error) {
      this.#report(REPORT.failed, 0, errorBytes(error));
    }
  }
}
