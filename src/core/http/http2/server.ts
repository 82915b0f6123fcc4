import { ProtocolError } from "../../../base/errors.ts";
import { pushJoined } from "../../../base/push_joined.ts";
import { HttpError } from "../error.ts";
import type {
  HttpResponse,
  HttpServerMachine,
  ResetCode,
  ServerStep,
  WaitsFor,
} from "../exchange.ts";
import type { Field } from "../fields.ts";
import { HpackDecoder } from "../hpack/decoder.ts";
import { HpackEncoder } from "../hpack/encoder.ts";
import type { MakePage } from "../http1/server.ts";
import { ConnectionError } from "./connection_error.ts";
import { ControlFrames } from "./control_frames.ts";
import {
  DEFAULT_WINDOW,
  ErrorCode,
  Flag,
  Frame,
  MAX_FRAME,
  MAX_WINDOW,
  PREFACE,
  Setting,
} from "./constants.ts";
import { Cost, FloodBudget } from "./flood_budget.ts";
import { FrameReader } from "./frame_reader.ts";
import {
  frameHeader,
  packData,
  packGoaway,
  packHeaders,
  packRstStream,
  packSettings,
  packWindowUpdate,
} from "./frames.ts";
import { HeaderBlock } from "./header_block.ts";
import { CONNECTION_WINDOW, ReceiveFlow } from "./receive_flow.ts";
import { bodyLength, listOf, lowerCase, tunnelListOf } from "./response_fields.ts";
import { SendFlow } from "./send_flow.ts";
import { readStreamRequest, readStreamTrailers, type RequestOptions } from "./read_request.ts";
import { RESET_CODES } from "./reset_codes.ts";
import { Http2Stream, STREAM_WINDOW } from "./stream.ts";

const MAX_STREAMS = 100;
const TABLE_SIZE = 4096;
const LIST_LIMITS = { bytes: 64 * 1024, fields: 256 };

/** A header block of more bytes has hardly anything that the table could have had. */
const SMALL_BLOCK = 4096;

/** A window update of fewer bytes is one of many. */
const SMALL_WINDOW = 512;

export interface Http2ServerOptions {
  readonly scheme: "http" | "https";
  readonly makePage: MakePage;
  /** Makes the value of Sec-WebSocket-Key: 16 random bytes in base64. */
  readonly websocketKey: () => string;
  /** Returns milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/**
 * One connection of a client as an origin server of HTTP/2 (RFC 9113), with websockets (RFC 8441). The
 * windows are the limit of what it makes others hold; floods end the connection (flood_budget.ts).
 *
 * (Over 300 lines, since all of it turns on the same streams and windows.)
 */
export class Http2Server implements HttpServerMachine {
  readonly #o: Http2ServerOptions;
  readonly #budget: FloodBudget;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #decoder = new HpackDecoder(TABLE_SIZE);
  readonly #encoder = new HpackEncoder(TABLE_SIZE);
  readonly #block = new HeaderBlock();
  readonly #received = new ReceiveFlow((bytes) => this.#write(bytes));
  readonly #sent = new SendFlow();
  readonly #control = new ControlFrames({
    write: (bytes) => this.#write(bytes),
    spend: (cost) => this.#spend(cost),
    tableSize: (bytes) => this.#encoder.setLimit(Math.min(bytes, TABLE_SIZE)),
    firstWindow: (bytes) => this.#resizeWindows(bytes),
    windowUpdate: (stream, increment) => this.#windowUpdate(stream, increment),
    rstStream: (stream) => this.#rstStream(stream),
    goaway: () => {
      this.#isDraining = true;
      this.#closeIfDrained();
    },
  });
  readonly #frames = new FrameReader({
    frame: (type, flags, stream, payload) => this.#frame(type, flags, stream, payload),
    dataBegins: (stream, length, isEnd) => this.#dataBegins(stream, length, isEnd),
    data: (part) => this.#data(part),
    padding: (length) => this.#received.credit(this.#dataStream, length),
    dataEnds: (isEnd) => this.#dataEnds(isEnd),
  });
  /** Bytes of the preface that have come. */
  #prefaceLength = 0;
  #hasSent = false;
  #lastStream = 0;
  /** The stream whose frame of data is being read; null = it is over. */
  #dataStream: Http2Stream | null = null;
  #isDraining = false;
  #isOver = false;
  #steps: ServerStep[] = [];

  constructor(o: Http2ServerOptions) {
    this.#o = o;
    this.#budget = new FloodBudget(o.now);
  }

  /** Always: what is not taken is limited by the windows. */
  get wantsInput(): boolean {
    return !this.#isOver;
  }

  get waitsFor(): WaitsFor {
    if (this.#isOver) return "nothing";
    if (this.#block.isOpen || (this.#prefaceLength > 0 && !this.#control.hasSettings)) {
      return "head";
    }
    return this.#streams.size > 0 ? "exchange" : "request";
  }

  feed(bytes: Uint8Array): ServerStep[] {
    if (this.#isOver) return [];
    if (!this.#hasSent) this.#greet();
    try {
      const rest = this.#takePreface(bytes);
      if (rest.length > 0) this.#frames.take(rest);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const code = error instanceof ConnectionError ? error.code : ErrorCode.compression;
      this.#fail(code, error.message);
    }
    return this.#takeSteps();
  }

  inputEnded(_how: "clean" | "reset"): ServerStep[] {
    if (this.#isOver) return [];
    const how = this.#streams.size === 0 ? "clean" : "reset";
    this.#resetAll("cancel", "The client has left");
    this.#close(how);
    return this.#takeSteps();
  }

  respond(id: number, head: HttpResponse): ServerStep[] {
    const stream = this.#at(id);
    if (stream === null || stream.hasResponse) return [];
    const { method, upgrade } = stream.request;
    if (head.status === 101) {
      if (upgrade === null) this.#reset(stream, ErrorCode.internal);
      else this.#openTunnel(stream, head);
    } else if (head.status < 200) this.#interim(stream, head);
    else if (method === "CONNECT" && head.status < 300) this.#openTunnel(stream, head);
    else this.#respond(stream, head);
    return this.#takeSteps();
  }

  data(id: number, bytes: Uint8Array): ServerStep[] {
    const stream = this.#at(id);
    if (stream === null || !stream.hasResponse || bytes.length === 0) return [];
    const { responseLeft } = stream;
    if (bytes.length > this.#sent.roomOf(stream) || bytes.length > (responseLeft ?? Infinity)) {
      this.#reset(stream, ErrorCode.internal);
      return this.#takeSteps();
    }
    this.#sent.sent(stream, bytes.length);
    if (responseLeft !== null) stream.responseLeft = responseLeft - bytes.length;
    const isEnd = stream.responseLeft === 0;
    for (const part of packData(id, bytes, isEnd)) this.#write(part);
    if (isEnd) this.#endResponse(stream);
    return this.#takeSteps();
  }

  end(id: number, trailers: readonly Field[]): ServerStep[] {
    const stream = this.#at(id);
    if (stream === null || !stream.hasResponse) return [];
    if (stream.responseLeft !== null) this.#reset(stream, ErrorCode.internal);
    else {
      if (trailers.length === 0) this.#write(frameHeader(Frame.data, Flag.endStream, id, 0));
      else this.#headers(stream, trailers.map(lowerCase), true);
      this.#endResponse(stream);
    }
    return this.#takeSteps();
  }

  reset(id: number, code: ResetCode): ServerStep[] {
    const stream = this.#streams.get(id);
    if (stream !== undefined && !this.#isOver) this.#reset(stream, RESET_CODES[code]);
    return this.#takeSteps();
  }

  room(id: number): number {
    const stream = this.#at(id);
    if (stream === null) return 0;
    const room = this.#sent.roomOf(stream);
    stream.wantsRoom = room === 0;
    return room;
  }

  consumed(id: number, bytes: number): ServerStep[] {
    const stream = this.#streams.get(id);
    if (stream === undefined || this.#isOver) return [];
    stream.unconsumed -= bytes;
    this.#received.credit(stream, bytes);
    return this.#takeSteps();
  }

  drain(): ServerStep[] {
    if (!this.#isDraining && !this.#isOver) {
      if (!this.#hasSent) this.#greet();
      this.#isDraining = true;
      this.#write(packGoaway(this.#lastStream, ErrorCode.none, ""));
      this.#closeIfDrained();
    }
    return this.#takeSteps();
  }

  timedOut(): ServerStep[] {
    if (this.waitsFor === "head") this.#fail(ErrorCode.enhanceYourCalm, "too slow");
    return this.waitsFor === "request" ? this.drain() : this.#takeSteps();
  }

  #takeSteps(): ServerStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  #write(bytes: Uint8Array): void {
    if (!this.#isOver) this.#steps.push({ kind: "write", bytes });
  }

  #at(id: number): Http2Stream | null {
    const stream = this.#isOver ? undefined : this.#streams.get(id);
    return stream === undefined || stream.isResponseDone ? null : stream;
  }

  #greet(): void {
    this.#hasSent = true;
    this.#write(packSettings([
      [Setting.headerTableSize, TABLE_SIZE],
      [Setting.maxConcurrentStreams, MAX_STREAMS],
      [Setting.initialWindowSize, STREAM_WINDOW],
      [Setting.maxFrameSize, MAX_FRAME],
      [Setting.maxHeaderListSize, LIST_LIMITS.bytes],
      [Setting.enableConnectProtocol, 1],
      [Setting.noPriorities, 1],
    ]));
    this.#write(packWindowUpdate(0, CONNECTION_WINDOW - DEFAULT_WINDOW));
  }

  // The connection.

  #takePreface(bytes: Uint8Array): Uint8Array {
    let at = 0;
    while (this.#prefaceLength < PREFACE.length && at < bytes.length) {
      if (bytes[at++] !== PREFACE[this.#prefaceLength++]) throw protocol("this is not HTTP/2");
    }
    return bytes.subarray(at);
  }

  #spend(cost: number): void {
    if (!this.#budget.spend(cost)) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "too many frames without use");
    }
  }

  #fail(code: ErrorCode, words: string): void {
    if (this.#isOver) return;
    this.#resetAll("protocol", words);
    this.#write(packGoaway(this.#lastStream, code, words));
    // Whoever floods would go on, and have a connection held that is read in vain.
    this.#close(code === ErrorCode.enhanceYourCalm ? "reset" : "clean");
  }

  #resetAll(code: ResetCode, words: string): void {
    for (const { id } of this.#streams.values()) {
      this.#steps.push({ kind: "reset", id, code, words });
    }
    this.#streams.clear();
  }

  #close(how: "clean" | "reset"): void {
    if (!this.#isOver) this.#steps.push({ kind: "close", how });
    this.#isOver = true;
  }

  #closeIfDrained(): void {
    if (this.#isDraining && this.#streams.size === 0) this.#close("clean");
  }

  #frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (this.#isOver) return;
    if (!this.#control.hasSettings && (type !== Frame.settings || (flags & Flag.ack) !== 0)) {
      throw protocol("its first frame is not of settings");
    }
    if (this.#block.isOpen && (type !== Frame.continuation || id !== this.#block.stream)) {
      throw protocol("a frame came within a header block");
    }
    if (type === Frame.headers || type === Frame.continuation) {
      this.#headerBlock(type, flags, id, payload);
    } else this.#control.take(type, flags, id, payload);
  }

  #resizeWindows(value: number): void {
    this.#sent.resize(value, this.#streams.values());
    for (const stream of this.#streams.values()) this.#giveRoom(stream);
  }

  #windowUpdate(id: number, increment: number): void {
    if (id === 0) {
      if (increment === 0) throw protocol("a window grows by nothing");
      if (increment < SMALL_WINDOW) this.#spend(Cost.smallWindow);
      this.#sent.grow(increment);
      for (const stream of this.#streams.values()) this.#giveRoom(stream);
      return;
    }
    this.#checkNotIdle(id);
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#spend(Cost.late);
    if (increment < SMALL_WINDOW) this.#spend(Cost.smallWindow);
    stream.sendWindow += increment;
    if (increment === 0) this.#fault(stream, ErrorCode.protocol);
    else if (stream.sendWindow > MAX_WINDOW) this.#fault(stream, ErrorCode.flowControl);
    else this.#giveRoom(stream);
  }

  #giveRoom(stream: Http2Stream): void {
    if (!stream.wantsRoom || this.#sent.roomOf(stream) === 0) return;
    stream.wantsRoom = false;
    this.#steps.push({ kind: "room", id: stream.id });
  }

  #checkNotIdle(id: number): void {
    if (id > this.#lastStream || id % 2 === 0) {
      throw protocol("a frame is of a stream that is none");
    }
  }

  #rstStream(id: number): void {
    this.#checkNotIdle(id);
    this.#spend(Cost.reset);
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#giveReset(stream, "cancel", "The client has cancelled it");
    this.#remove(stream);
  }

  /** Resets a stream by the client's fault, which costs it as if it had done so (CVE-2025-8671). */
  #fault(stream: Http2Stream, code: ErrorCode): void {
    this.#spend(Cost.reset);
    const words = "The client has broken the protocol";
    this.#giveReset(stream, "protocol", words);
    this.#reset(stream, code);
  }

  /** Nobody hears of a request that was reset at once: that is the cheapest answer to many. */
  #giveReset({ id }: Http2Stream, code: ResetCode, words: string): void {
    const steps = this.#steps;
    let at = steps.length - 1;
    while (at >= 0 && !isRequest(steps[at]!, id)) at--;
    if (at < 0) return void steps.push({ kind: "reset", id, code, words });
    for (let last = steps.length - 1; last >= at; last--) {
      if (isOf(steps[last]!, id)) steps.splice(last, 1);
    }
  }

  #reset(stream: Http2Stream, code: ErrorCode): void {
    this.#write(packRstStream(stream.id, code));
    this.#remove(stream);
  }

  /** Forgets a stream. Its data that nobody takes any more count as gone on. */
  #remove(stream: Http2Stream): void {
    if (!this.#streams.delete(stream.id)) return;
    this.#received.credit(
      null,
      stream.unconsumed + stream.early.reduce((sum, part) => sum + part.length, 0),
    );
    this.#closeIfDrained();
  }

  // Requests.

  #headerBlock(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (payload.length === 0) this.#spend(Cost.empty);
    if (type === Frame.headers) {
      if (id % 2 === 0) throw protocol("a request is of a stream that is none");
      this.#block.begin(id, flags, payload);
    } else this.#block.add(flags, payload);
    if (this.#block.isOpen) return;
    const { stream, isEnd } = this.#block;
    const block = this.#block.bytes();
    if (block.length > SMALL_BLOCK) this.#spend(block.length * Cost.perBlockByte);
    const list = this.#decoder.decode(block, LIST_LIMITS);
    const known = this.#streams.get(stream);
    if (known !== undefined) this.#trailers(known, list, isEnd);
    else if (stream > this.#lastStream) this.#request(stream, list, isEnd);
    else this.#spend(Cost.late); // of a stream that was reset, maybe at the same time
  }

  #request(id: number, list: ReturnType<HpackDecoder["decode"]>, isEnd: boolean): void {
    this.#lastStream = id;
    if (this.#isDraining) return this.#spend(Cost.refused); // GOAWAY has told which are served
    if (this.#streams.size >= MAX_STREAMS) {
      this.#spend(Cost.refused);
      return this.#write(packRstStream(id, ErrorCode.refusedStream));
    }
    const options: RequestOptions = { ...this.#o, isEnd };
    try {
      if (list.isTooLarge) {
        throw new HttpError(431, "The request's fields are too many or too long");
      }
      this.#open(
        new Http2Stream(id, readStreamRequest(list.fields, options), {
          sendWindow: this.#sent.first,
          isEnd,
        }),
      );
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#refuse(id, error, isEnd);
    }
  }

  #open(stream: Http2Stream): void {
    const { id, request: head } = stream;
    this.#streams.set(id, stream);
    this.#steps.push({ kind: "request", id, head });
    if (stream.isRequestDone && !stream.mayTunnel) {
      this.#steps.push({ kind: "end", id, trailers: [] });
    }
  }

  /** Answers a request that cannot be read. It was never one for the machine's user. */
  #refuse(id: number, { status, message }: HttpError, isEnd: boolean): void {
    this.#spend(Cost.refused);
    const { fields, body } = this.#o.makePage(status, message);
    const list = [
      { name: ":status", value: String(status) },
      ...fields.map(lowerCase),
      { name: "content-length", value: String(body.length) },
    ];
    const hasRoom = body.length > 0 && body.length <= Math.min(this.#sent.roomOfNew, MAX_FRAME);
    this.#write(packHeaders(id, this.#encoder.encode(hasRoom ? list : list.slice(0, -1)), {
      isEnd: !hasRoom,
      max: MAX_FRAME,
    }));
    if (hasRoom) {
      this.#sent.sent(null, body.length);
      this.#write(frameHeader(Frame.data, Flag.endStream, id, body.length));
      this.#write(body);
    }
    if (!isEnd) this.#write(packRstStream(id, ErrorCode.none));
  }

  #trailers(stream: Http2Stream, list: ReturnType<HpackDecoder["decode"]>, isEnd: boolean): void {
    if (stream.isRequestDone) return this.#fault(stream, ErrorCode.streamClosed);
    if (!isEnd || list.isTooLarge || stream.mayTunnel) {
      return this.#fault(stream, ErrorCode.protocol);
    }
    try {
      this.#endRequest(stream, readStreamTrailers(list.fields));
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#fault(stream, ErrorCode.protocol);
    }
  }

  #dataBegins(id: number, length: number, isEnd: boolean): void {
    this.#dataStream = null;
    if (this.#isOver) return;
    if (!this.#control.hasSettings || this.#block.isOpen) {
      throw protocol("a frame of data came too early");
    }
    this.#checkNotIdle(id);
    this.#received.received(length);
    if (length === 0 && !isEnd) this.#spend(Cost.empty);
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.isRequestDone) {
      if (stream === undefined) this.#spend(Cost.late);
      else this.#fault(stream, ErrorCode.streamClosed);
      return;
    }
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) this.#fault(stream, ErrorCode.flowControl);
    else this.#dataStream = stream;
  }

  #data(part: Uint8Array): void {
    const stream = this.#dataStream;
    if (stream === null) return this.#received.credit(null, part.length);
    if (stream.requestLeft !== null) {
      stream.requestLeft -= part.length;
      if (stream.requestLeft < 0) {
        this.#dataStream = null;
        this.#received.credit(null, part.length);
        return this.#fault(stream, ErrorCode.protocol);
      }
    }
    if (stream.mayTunnel && !stream.isTunnel) pushJoined(stream.early, part);
    else this.#giveData(stream, part);
  }

  #dataEnds(isEnd: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (stream === null || !isEnd) return;
    if (stream.mayTunnel && !stream.isTunnel) stream.isRequestDone = true; // told when it is open
    else this.#endRequest(stream, []);
  }

  #giveData(stream: Http2Stream, bytes: Uint8Array): void {
    stream.unconsumed += bytes.length;
    this.#steps.push({ kind: "data", id: stream.id, bytes });
  }

  #endRequest(stream: Http2Stream, trailers: readonly Field[]): void {
    if ((stream.requestLeft ?? 0) > 0) return this.#fault(stream, ErrorCode.protocol);
    stream.isRequestDone = true;
    this.#steps.push({ kind: "end", id: stream.id, trailers });
    if (stream.isResponseDone) this.#remove(stream);
  }

  // Responses.

  #headers(stream: Http2Stream, fields: readonly Field[], isEnd: boolean): void {
    const block = this.#encoder.encode(fields);
    this.#write(packHeaders(stream.id, block, { isEnd, max: MAX_FRAME }));
  }

  #interim(stream: Http2Stream, head: HttpResponse): void {
    if (head.status === 100) {
      if (!stream.expectsContinue || stream.has100 || stream.isRequestDone) return;
      stream.has100 = true;
    }
    this.#headers(stream, listOf(head), false);
  }

  #openTunnel(stream: Http2Stream, head: HttpResponse): void {
    this.#headers(stream, tunnelListOf(head), false);
    stream.hasResponse = stream.isTunnel = true;
    for (const part of stream.early.splice(0)) this.#giveData(stream, part);
    if (stream.isRequestDone) this.#steps.push({ kind: "end", id: stream.id, trailers: [] });
  }

  #respond(stream: Http2Stream, head: HttpResponse): void {
    const length = bodyLength(stream.request.method, head);
    this.#headers(stream, listOf(head), length === 0);
    stream.hasResponse = true;
    stream.responseLeft = length;
    if (length === 0) this.#endResponse(stream);
  }

  /** The response has ended, and with it the exchange, but for a tunnel's other way. */
  #endResponse(stream: Http2Stream): void {
    stream.isResponseDone = true;
    if (stream.isTunnel && !stream.isRequestDone) return;
    this.#budget.earn();
    if (stream.isRequestDone) this.#remove(stream);
    else this.#reset(stream, ErrorCode.none); // the rest of the request is not wanted (section 8.1)
  }
}

function isOf(step: ServerStep, id: number): boolean {
  return "id" in step && step.id === id;
}

function isRequest(step: ServerStep, id: number): boolean {
  return step.kind === "request" && step.id === id;
}

function protocol(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocol, what);
}
