import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { SendResult, ToxServer, ToxSizes } from "../../../ffi/tox/tox_types.ts";
import type { RecordRing, RingRecord } from "./record_ring.ts";
import { LEAST_WINDOW, SendWindow } from "./send_window.ts";
import { COMMAND, connectionOf, errorOf, REPORT, serverBytes, takenOf } from "./thread_records.ts";
import type { ToxNode, ToxNodeEvents } from "./tox_node.ts";

/** Reports that are handled before others get their turn. */
const MOST_AT_A_TIME = 32;

/** Packets of all friends between the threads; each may have a few beyond. */
const MOST_UNSENT = 2048;

/** Bytes of the ring that packets leave free, for all else. */
const RESERVE = 64 * 1024;

export interface RemoteToxOptions {
  readonly sizes: ToxSizes;
  readonly commands: RecordRing;
  readonly reports: RecordRing;
  readonly clock: Pick<Clock, "onTurn">;
  /** Wakes the other thread: there are commands. */
  readonly wake: () => void;
}

/** This thread's side of an instance of libtoxcore that runs in another one. */
export class RemoteTox implements ToxNode {
  readonly sizes: ToxSizes;
  readonly #commands: RecordRing;
  readonly #reports: RecordRing;
  readonly #clock: Pick<Clock, "onTurn">;
  readonly #wake: () => void;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #windows = new Map<number, SendWindow>();
  /** Packets in all windows. */
  #unsent = 0;
  #lastFriend = 0;
  /** Null = it has not started, or tells nothing any more. */
  #events: ToxNodeEvents | null = null;
  #isStopping = false;
  #isWakeOwed = false;
  #isReadOwed = false;
  #lacksRoom = false;
  #hasRoom = false;

  constructor({ sizes, commands, reports, clock, wake }: RemoteToxOptions) {
    this.sizes = sizes;
    this.#commands = commands;
    this.#reports = reports;
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Resolves when the other thread has ended. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  start(events: ToxNodeEvents): void {
    this.#events = events;
    this.#command(COMMAND.start);
  }

  addFriend(address: Uint8Array, message: Uint8Array): number {
    return this.#add(COMMAND.addFriend, address, message);
  }

  acceptFriend(publicKey: Uint8Array): number {
    return this.#add(COMMAND.acceptFriend, publicKey);
  }

  deleteFriend(friend: number): void {
    const window = this.#windows.get(friend);
    if (window === undefined) return;
    this.#windows.delete(friend);
    this.#unsent -= window.unsent;
    this.#command(COMMAND.deleteFriend, friend);
    this.#hasRoom = true;
    this.#readLater();
  }

  /** Copies the packet. @throws {TtunError} internal, if it is too long */
  send(friend: number, packet: Uint8Array): SendResult {
    if (packet.length > this.sizes.packet) {
      throw new TtunError(
        "internal",
        `A packet of ${packet.length} bytes is not one that Tox can send`,
      );
    }
    const window = this.#windows.get(friend);
    if (window === undefined || this.#isStopping) return "offline";
    const isAdmitted = window.admit() &&
      (this.#unsent < MOST_UNSENT || window.unsent < LEAST_WINDOW) &&
      this.#commands.room > RESERVE;
    if (!isAdmitted) {
      this.#lacksRoom = true;
      return "full";
    }
    this.#commands.write(COMMAND.packet, friend, packet);
    this.#oweWake();
    window.unsent++;
    this.#unsent++;
    return "sent";
  }

  /** Asks a node for others; what the library has no time for is left out. */
  bootstrap(server: ToxServer): void {
    this.#ask(COMMAND.bootstrap, server);
  }

  addRelay(server: ToxServer): void {
    this.#ask(COMMAND.addRelay, server);
  }

  /** Handles reports; call it when there are some. It leaves work to promises. */
  read(): void {
    if (!this.#isReadOwed) this.#readSome();
  }

  /** The other thread has ended by itself. */
  fail(error: unknown): void {
    const events = this.#events;
    this.#end();
    this.#stopped.resolve();
    events?.failed(error);
  }

  readonly #readSome = (): void => {
    this.#isReadOwed = false;
    let left = MOST_AT_A_TIME;
    try {
      for (; left > 0; left--) {
        const record = this.#reports.read();
        if (record === null) break;
        this.#take(record);
      }
      if (this.#hasRoom && this.#lacksRoom) {
        this.#lacksRoom = false;
        this.#events?.room();
      }
      this.#hasRoom = false;
    } catch (error) {
      const events = this.#events;
      this[Symbol.dispose]();
      events?.failed(error);
    }
    if (left === 0) this.#readLater();
  };

  #readLater(): void {
    if (this.#isReadOwed) return;
    this.#isReadOwed = true;
    this.#clock.onTurn(this.#readSome);
  }

  #take({ kind, friend, bytes }: RingRecord): void {
    switch (kind) {
      case REPORT.packet:
        return this.#events?.packet(friend, bytes);
      case REPORT.taken:
        return this.#taken(friend, bytes);
      case REPORT.self:
        return this.#events?.self(connectionOf(bytes));
      case REPORT.request: {
        const size = this.sizes.publicKey;
        return this.#events?.friendRequest(bytes.slice(0, size), bytes.slice(size));
      }
      case REPORT.friend:
        if (this.#windows.has(friend)) this.#events?.friendConnection(friend, connectionOf(bytes));
        return;
      case REPORT.refused:
        if (this.#windows.delete(friend)) this.#events?.friendRefused(friend, errorOf(bytes));
        return;
      case REPORT.failed:
        return this.fail(errorOf(bytes));
      case REPORT.stopped:
        return this.#stopped.resolve();
    }
  }

  #taken(friend: number, bytes: Uint8Array): void {
    this.#hasRoom = true;
    const window = this.#windows.get(friend);
    if (window === undefined) return;
    const { count, isWaiting } = takenOf(bytes);
    window.taken(count, isWaiting);
    this.#unsent -= count;
  }

  #add(kind: number, ...parts: readonly Uint8Array[]): number {
    const friend = ++this.#lastFriend;
    this.#windows.set(friend, new SendWindow());
    this.#command(kind, friend, ...parts);
    return friend;
  }

  #ask(kind: number, server: ToxServer): void {
    if (this.#isStopping || this.#commands.room <= RESERVE) return;
    this.#commands.write(kind, 0, serverBytes(server));
    this.#oweWake();
  }

  #command(kind: number, friend = 0, ...parts: readonly Uint8Array[]): void {
    if (this.#isStopping) return;
    if (this.#commands.write(kind, friend, ...parts)) return this.#oweWake();
    // The other thread has taken none for long.
    this.#clock.onTurn(() => {
      this.fail(new TtunError("internal", "Cannot use Tox: its thread has come to a halt"));
    });
  }

  /** Wakes the other thread behind all that happens now. */
  #oweWake(): void {
    if (this.#isWakeOwed) return;
    this.#isWakeOwed = true;
    this.#clock.onTurn(() => {
      this.#isWakeOwed = false;
      this.#wake();
      return true;
    });
  }

  #end(): void {
    this.#events = null;
    this.#isStopping = true;
    this.#windows.clear();
  }

  /** Begins the end: what is on its way to the library goes, and friends are told. */
  [Symbol.dispose](): void {
    if (this.#isStopping) return;
    this.#commands.write(COMMAND.stop, 0);
    this.#end();
    this.#wake();
  }
}
