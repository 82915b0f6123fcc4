import { ProtocolError } from "../../../base/errors.ts";
import { HttpError } from "../error.ts";
import type {
  ClientStep,
  HttpClientMachine,
  HttpRequest,
  ResetCode,
  WaitsFor,
} from "../exchange.ts";
import type { Field } from "../fields.ts";
import { HpackDecoder } from "../hpack/decoder.ts";
import { HpackEncoder } from "../hpack/encoder.ts";
import { ConnectionError } from "./connection_error.ts";
import { ControlFrames } from "./control_frames.ts";
import {
  DEFAULT_WINDOW,
  ErrorCode,
  Flag,
  Frame,
  MAX_FRAME,
  PREFACE,
  Setting,
} from "./constants.ts";
import { FrameReader } from "./frame_reader.ts";
import {
  packData,
  packGoaway,
  packHeaders,
  packRstStream,
  packSettings,
  packWindowUpdate,
} from "./frames.ts";
import { HeaderBlock } from "./header_block.ts";
import { readStreamResponse, requestListOf } from "./read_response.ts";
import { readStreamTrailers } from "./read_request.ts";
import { CONNECTION_WINDOW, ReceiveFlow } from "./receive_flow.ts";
import { RESET_CODES } from "./reset_codes.ts";
import { lowerCase } from "./response_fields.ts";
import { SendFlow } from "./send_flow.ts";
import { type FlowStream, STREAM_WINDOW } from "./stream.ts";

const TABLE_SIZE = 4096;
const LIST_LIMITS = { bytes: 300 * 1024, fields: 4096 };
const LAST_STREAM = 2 ** 31 - 1;
const MOST_INTERIM = 32;

interface Exchange extends FlowStream {
  readonly request: HttpRequest;
  isInputDone: boolean;
  isRequestDone: boolean;
  hasAnswer: boolean;
  hasResponse: boolean;
  interim: number;
  unconsumed: number;
  wantsRoom: boolean;
}

/**
 * One connection to a server of HTTP/2 that is known to speak it (RFC 9113 section 3.3), one request
 * after the other: for services such as gRPC's, which speak nothing else. It asks for no upgrade.
 */
export class Http2Client implements HttpClientMachine {
  readonly #scheme: "http" | "https";
  readonly #encoder = new HpackEncoder(TABLE_SIZE);
  readonly #decoder = new HpackDecoder(TABLE_SIZE);
  readonly #block = new HeaderBlock();
  readonly #received = new ReceiveFlow((bytes) => this.#write(bytes));
  readonly #sent = new SendFlow();
  readonly #control = new ControlFrames({
    write: (bytes) => this.#write(bytes),
    spend: () => {}, // the server is the service's owner's: it has nothing to win by a flood
    tableSize: (bytes) => this.#encoder.setLimit(Math.min(bytes, TABLE_SIZE)),
    firstWindow: (bytes) => {
      this.#sent.resize(bytes, this.#exchange === null ? [] : [this.#exchange]);
      this.#giveRoom();
    },
    windowUpdate: (stream, increment) => this.#windowUpdate(stream, increment),
    rstStream: (stream, code) => this.#rstStream(stream, code),
    goaway: (lastStream, code) => this.#goaway(lastStream, code),
  });
  readonly #frames = new FrameReader({
    frame: (type, flags, stream, payload) => this.#frame(type, flags, stream, payload),
    dataBegins: (stream, length) => this.#dataBegins(stream, length),
    data: (part) => this.#data(part),
    padding: (length) => this.#received.credit(this.#dataOf, length),
    dataEnds: (isEnd) => this.#dataEnds(isEnd),
  });
  #exchange: Exchange | null = null;
  /** The exchange whose frame of data is being read; null = it is over. */
  #dataOf: Exchange | null = null;
  #hasSent = false;
  #lastStream = -1;
  /** The server takes no further requests. */
  #isDraining = false;
  #isEnded = false;
  #isOver = false;
  #steps: ClientStep[] = [];

  /** `scheme`: https where the connection has TLS. */
  constructor(scheme: "http" | "https") {
    this.#scheme = scheme;
  }

  get isFree(): boolean {
    return this.#exchange === null && !this.#isDraining && !this.#isOver && !this.#isEnded &&
      this.#lastStream < LAST_STREAM - 2;
  }

  /** Always: what is not taken is limited by the windows. */
  get wantsInput(): boolean {
    return !this.#isOver && !this.#isEnded;
  }

  get waitsFor(): WaitsFor {
    if (this.#isOver) return "nothing";
    return this.#exchange === null ? "request" : "exchange";
  }

  /** Only while `isFree`. */
  request(head: HttpRequest): ClientStep[] {
    if (head.upgrade !== null || head.method === "CONNECT") {
      const words = "A service of HTTP/2 is asked for no tunnel";
      return [{ kind: "reset", code: "protocol", words }];
    }
    this.#greet();
    this.#lastStream += 2;
    this.#exchange = {
      id: this.#lastStream,
      request: head,
      sendWindow: this.#sent.first,
      receiveWindow: STREAM_WINDOW,
      credit: 0,
      isInputDone: false,
      isRequestDone: !head.hasBody,
      hasAnswer: false,
      hasResponse: false,
      interim: 0,
      unconsumed: 0,
      wantsRoom: false,
    };
    this.#headers(requestListOf(head, this.#scheme), !head.hasBody);
    return this.#takeSteps();
  }

  data(bytes: Uint8Array): ClientStep[] {
    const exchange = this.#exchange;
    if (exchange === null || exchange.isRequestDone || bytes.length === 0) return [];
    if (bytes.length > this.#sent.roomOf(exchange)) {
      this.#fail(exchange, "internal", "More was to be sent than there was room for");
      return this.#takeSteps();
    }
    this.#sent.sent(exchange, bytes.length);
    for (const part of packData(exchange.id, bytes, false)) this.#write(part);
    return this.#takeSteps();
  }

  end(trailers: readonly Field[]): ClientStep[] {
    const exchange = this.#exchange;
    if (exchange === null || exchange.isRequestDone) return [];
    exchange.isRequestDone = true;
    if (trailers.length > 0) this.#headers(trailers.map(lowerCase), true);
    else for (const part of packData(exchange.id, new Uint8Array(), true)) this.#write(part);
    return this.#takeSteps();
  }

  reset(code: ResetCode): ClientStep[] {
    if (this.#exchange !== null) {
      this.#write(packRstStream(this.#exchange.id, RESET_CODES[code]));
      this.#forget(this.#exchange);
    }
    return this.#takeSteps();
  }

  room(): number {
    const exchange = this.#exchange;
    if (exchange === null) return 0;
    const room = this.#sent.roomOf(exchange);
    exchange.wantsRoom = room === 0;
    return room;
  }

  consumed(bytes: number): ClientStep[] {
    const exchange = this.#exchange;
    if (exchange !== null && !this.#isOver) {
      exchange.unconsumed -= bytes;
      this.#received.credit(exchange, bytes);
    }
    return this.#takeSteps();
  }

  feed(bytes: Uint8Array): ClientStep[] {
    if (this.#isOver || this.#isEnded) return [];
    this.#greet(); // a server may speak first, and nothing goes before the preface
    try {
      this.#frames.take(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const code = error instanceof ConnectionError ? error.code : ErrorCode.compression;
      this.#break(code, error.message);
    }
    return this.#takeSteps();
  }

  inputEnded(_how: "clean" | "reset"): ClientStep[] {
    if (this.#isOver || this.#isEnded) return [];
    this.#isEnded = true;
    const exchange = this.#exchange;
    if (exchange !== null) {
      const code = exchange.hasAnswer ? "incomplete" : "unanswered";
      this.#steps.push({ kind: "reset", code, words: "The connection has ended" });
    }
    this.#close(exchange === null ? "clean" : "reset");
    return this.#takeSteps();
  }

  #takeSteps(): ClientStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  #write(bytes: Uint8Array): void {
    if (!this.#isOver) this.#steps.push({ kind: "write", bytes });
  }

  #greet(): void {
    if (this.#hasSent) return;
    this.#hasSent = true;
    this.#write(PREFACE);
    this.#write(packSettings([
      [Setting.headerTableSize, TABLE_SIZE],
      [Setting.enablePush, 0],
      [Setting.initialWindowSize, STREAM_WINDOW],
      [Setting.maxHeaderListSize, LIST_LIMITS.bytes],
    ]));
    this.#write(packWindowUpdate(0, CONNECTION_WINDOW - DEFAULT_WINDOW));
  }

  #headers(fields: readonly Field[], isEnd: boolean): void {
    const block = this.#encoder.encode(fields);
    this.#write(packHeaders(this.#lastStream, block, { isEnd, max: MAX_FRAME }));
  }

  /** The server has broken the protocol: nothing of the connection is to be trusted. */
  #break(code: ErrorCode, words: string): void {
    if (this.#exchange !== null) this.#steps.push({ kind: "reset", code: "protocol", words });
    this.#write(packGoaway(0, code, words));
    this.#close("clean");
  }

  #close(how: "clean" | "reset"): void {
    if (!this.#isOver) this.#steps.push({ kind: "close", how });
    this.#isOver = true;
    this.#exchange = null;
  }

  /** Ends an exchange; the connection goes on. */
  #fail(exchange: Exchange, code: ResetCode, words: string): void {
    this.#steps.push({ kind: "reset", code, words });
    this.#write(packRstStream(exchange.id, RESET_CODES[code]));
    this.#forget(exchange);
  }

  /** Data that nobody takes any more count as gone on. */
  #forget(exchange: Exchange): void {
    this.#exchange = null;
    if (this.#dataOf === exchange) this.#dataOf = null;
    this.#received.credit(null, exchange.unconsumed);
    if (this.#isDraining) this.#close("clean");
  }

  #frame(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (this.#isOver) return;
    if (!this.#control.hasSettings && (type !== Frame.settings || (flags & Flag.ack) !== 0)) {
      throw protocol("its first frame is not of settings");
    }
    if (this.#block.isOpen && (type !== Frame.continuation || id !== this.#block.stream)) {
      throw protocol("a frame came within a header block");
    }
    if (type === Frame.headers) this.#block.begin(id, flags, payload);
    else if (type === Frame.continuation) this.#block.add(flags, payload);
    else return this.#control.take(type, flags, id, payload);
    if (!this.#block.isOpen) this.#list(this.#block.stream, this.#block.isEnd);
  }

  #windowUpdate(id: number, increment: number): void {
    if (increment === 0) throw protocol("a window grows by nothing");
    if (id === 0) this.#sent.grow(increment);
    else if (id === this.#exchange?.id) this.#sent.growStream(this.#exchange, increment);
    this.#giveRoom();
  }

  #giveRoom(): void {
    const exchange = this.#exchange;
    if (exchange === null || !exchange.wantsRoom || this.#sent.roomOf(exchange) === 0) return;
    exchange.wantsRoom = false;
    this.#steps.push({ kind: "room" });
  }

  #rstStream(id: number, code: number): void {
    const exchange = this.#exchange;
    if (exchange === null || id !== exchange.id) return;
    const isRefused = code === ErrorCode.refusedStream;
    const reason = isRefused ? "refused" : exchange.hasAnswer ? "incomplete" : "internal";
    this.#steps.push({ kind: "reset", code: reason, words: `The service has reset it (${code})` });
    this.#forget(exchange);
  }

  #goaway(lastStream: number, code: number): void {
    this.#isDraining = true;
    const exchange = this.#exchange;
    if (exchange === null) return this.#close("clean");
    if (exchange.id > lastStream) {
      this.#fail(exchange, "refused", `The service is going away (${code})`);
    }
  }

  #list(id: number, isEnd: boolean): void {
    const { fields, isTooLarge } = this.#decoder.decode(this.#block.bytes(), LIST_LIMITS);
    const exchange = this.#exchange;
    if (exchange === null || id !== exchange.id) return; // it was reset at the same time
    exchange.hasAnswer = true;
    try {
      if (isTooLarge) throw new HttpError(502, "The answer's fields are too many or too long");
      if (exchange.hasResponse) {
        if (!isEnd) throw new HttpError(502, "The answer has two heads");
        return this.#end(exchange, readStreamTrailers(fields));
      }
      const head = readStreamResponse(fields);
      exchange.hasResponse = head.status >= 200;
      const isFlood = !exchange.hasResponse && (++exchange.interim > MOST_INTERIM || isEnd);
      if (isFlood) throw new HttpError(502, "The answer has no final head");
      this.#steps.push({ kind: "response", head });
      if (isEnd) this.#end(exchange, []);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#fail(exchange, "protocol", error.message);
    }
  }

  /** The answer has ended, and with it the exchange: the rest of the request is not wanted. */
  #end(exchange: Exchange, trailers: readonly Field[]): void {
    exchange.isInputDone = true;
    this.#steps.push({ kind: "end", trailers });
    if (!exchange.isRequestDone) this.#write(packRstStream(exchange.id, ErrorCode.cancel));
    this.#forget(exchange);
  }

  #dataBegins(id: number, length: number): void {
    this.#dataOf = null;
    if (this.#isOver) return;
    if (!this.#control.hasSettings || this.#block.isOpen) throw protocol("data came too early");
    this.#received.received(length);
    const exchange = this.#exchange;
    if (exchange === null || id !== exchange.id) return;
    exchange.receiveWindow -= length;
    if (exchange.receiveWindow < 0) {
      throw new ConnectionError(ErrorCode.flowControl, "more data came than there was room for");
    }
    if (exchange.hasResponse) this.#dataOf = exchange;
    else this.#fail(exchange, "protocol", "Data came before a head");
  }

  #data(part: Uint8Array): void {
    const exchange = this.#dataOf;
    if (exchange === null) return this.#received.credit(null, part.length);
    exchange.unconsumed += part.length;
    this.#steps.push({ kind: "data", bytes: part });
  }

  #dataEnds(isEnd: boolean): void {
    if (this.#dataOf !== null && isEnd) this.#end(this.#dataOf, []);
    this.#dataOf = null;
  }
}

function protocol(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.protocol, what);
}
