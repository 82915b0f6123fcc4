import { readU16, readU32 } from "../../../base/bytes.ts";
import { ConnectionError } from "./connection_error.ts";
import { ErrorCode, Flag, Frame, MAX_FRAME, MAX_WINDOW, Setting } from "./constants.ts";
import { Cost } from "./flood_budget.ts";
import { packPingAck, SETTINGS_ACK } from "./frames.ts";

/** Calls for what the other end's control frames say; sizes and stream 0 have been checked. */
export interface ControlEvents {
  write(bytes: Uint8Array): void;
  /** Takes points for a frame (flood_budget.ts). @throws {ConnectionError} */
  spend(cost: number): void;
  /** Bytes of the table that this end's header blocks may refer to. */
  tableSize(bytes: number): void;
  /** Bytes of data that may be sent on each stream at first. */
  firstWindow(bytes: number): void;
  /** `stream` is 0 for the connection. */
  windowUpdate(stream: number, increment: number): void;
  rstStream(stream: number, code: number): void;
  goaway(lastStream: number, code: number): void;
}

/** Reads frames that are neither of data nor of header blocks (RFC 9113 section 6), and answers them. */
export class ControlFrames {
  readonly #events: ControlEvents;
  #hasSettings = false;

  constructor(events: ControlEvents) {
    this.#events = events;
  }

  /** The other end's settings, its first frame, have come. */
  get hasSettings(): boolean {
    return this.#hasSettings;
  }

  /** @throws {ConnectionError} */
  take(type: number, flags: number, id: number, payload: Uint8Array): void {
    const events = this.#events;
    switch (type) {
      case Frame.priority:
        if (id === 0) throw protocol("a priority is of no stream");
        checkSize(payload, 5);
        return events.spend(Cost.ignored);
      case Frame.rstStream:
        checkSize(payload, 4);
        return events.rstStream(id, readU32(payload, 0));
      case Frame.settings:
        return this.#settings(flags, id, payload);
      case Frame.pushPromise:
        throw protocol("nothing may be pushed");
      case Frame.ping:
        return this.#ping(flags, id, payload);
      case Frame.goaway:
        if (id !== 0) throw protocol("a GOAWAY is of a stream");
        if (payload.length < 8) throw badSize();
        return events.goaway(readU32(payload, 0) & MAX_WINDOW, readU32(payload, 4));
      case Frame.windowUpdate:
        checkSize(payload, 4);
        return events.windowUpdate(id, readU32(payload, 0) & MAX_WINDOW);
      default:
        events.spend(Cost.ignored); // extensions are ignored (section 4.1)
    }
  }

  #ping(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) throw protocol("a ping is of a stream");
    checkSize(payload, 8);
    this.#events.spend(Cost.ping);
    if ((flags & Flag.ack) === 0) this.#events.write(packPingAck(payload));
  }

  #settings(flags: number, id: number, payload: Uint8Array): void {
    if (id !== 0) throw protocol("settings are of a stream");
    if ((flags & Flag.ack) !== 0) {
      checkSize(payload, 0);
      return this.#events.spend(Cost.ignored);
    }
    if (payload.length % 6 !== 0) throw badSize();
    this.#events.spend(Cost.settings);
    this.#hasSettings = true;
    for (let at = 0; at < payload.length; at += 6) {
      this.#setting(readU16(payload, at), readU32(payload, at + 2));
    }
    this.#events.write(SETTINGS_ACK);
  }

  #setting(id: number, value: number): void {
    switch (id) {
      case Setting.headerTableSize:
        return this.#events.tableSize(value);
      case Setting.enablePush:
        if (value > 1) throw protocol("a setting has a value that it cannot have");
        return;
      case Setting.initialWindowSize:
        return this.#events.firstWindow(value);
      case Setting.maxFrameSize:
        // Larger frames would only keep others waiting.
        if (value < MAX_FRAME || value >= 2 ** 24) throw protocol("its frames' size is none");
    }
  }
}

function checkSize(payload: Uint8Array, size: number): void {
  if (payload.length !== size) throw badSize();
}

function badSize(): ConnectionError {
  return new ConnectionError(ErrorCode.frameSize, "a frame's size is none");
}

function protocol(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocol, what);
}
