import { ProtocolError } from "../../../base/errors.ts";
import { pushJoined } from "../../../base/push_joined.ts";
import { HttpError } from "../error.ts";
import type {
  HttpRequest,
  HttpResponse,
  HttpServerMachine,
  ResetCode,
  ServerStep,
  WaitsFor,
} from "../exchange.ts";
import { type Field, valuesOf } from "../fields.ts";
import type { MakePage } from "../http1/server.ts";
import { readStreamRequest, readStreamTrailers } from "../http2/read_request.ts";
import { bodyLength, listOf, lowerCase, tunnelListOf } from "../http2/response_fields.ts";
import { decodeQpack } from "../qpack/decoder.ts";
import { encodeQpack } from "../qpack/encoder.ts";
import { Frame, HTTP2_FRAMES, LIST_LIMITS } from "./constants.ts";
import { frameHeader, FrameReader, packFrame } from "./frames.ts";

/** The exchange's number: a stream has no other. */
const ID = 1;

/** Bytes of a request's data that may be given before some have gone on. */
const WINDOW = 64 * 1024;
/** Bytes of a header block; a list of less may take so many where nothing is compressed. */
const MOST_BLOCK = LIST_LIMITS.bytes + 4096;
/** Frames that say nothing, on one stream. */
const MOST_IGNORED = 64;

/** Methods of which a request without a length seldom has a body: it waits for a look at what follows. */
const SELDOM_BODY: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "DELETE", "TRACE"]);

export interface Http3ServerOptions {
  readonly scheme: "http" | "https";
  readonly makePage: MakePage;
  /** Makes the value of Sec-WebSocket-Key: 16 random bytes in base64. */
  readonly websocketKey: () => string;
}

/**
 * One stream of a client as an origin server of HTTP/3 (RFC 9114): one exchange, with websockets (RFC
 * 9220). The window of the stream is QUIC's. `close reset` is to end the whole connection: it stands for
 * a fault of the client, or an answer that broke off and that nothing else would tell from a whole one.
 */
export class Http3Server implements HttpServerMachine {
  readonly #o: Http3ServerOptions;
  readonly #frames = new FrameReader({
    begins: (type, length) => this.#begins(type, length),
    frame: (_type, payload) => this.#headers(payload),
    piece: (bytes) => this.#data(bytes),
  });
  #request: HttpRequest | null = null;
  /** The request has not been told of, as it may end with its head. */
  #isHeldBack = false;
  #requestLeft: number | null = null;
  #isRequestDone = false;
  #mayTunnel = false;
  #isTunnel = false;
  /** Bytes for a tunnel that is not yet open. */
  readonly #early: Uint8Array[] = [];
  #hasResponse = false;
  #responseLeft: number | null = null;
  #isResponseDone = false;
  #has100 = false;
  #hasTrailers = false;
  #ignored = 0;
  #unconsumed = 0;
  #hasInput = false;
  #isEnded = false;
  #isOver = false;
  #steps: ServerStep[] = [];

  constructor(o: Http3ServerOptions) {
    this.#o = o;
  }

  get wantsInput(): boolean {
    return !this.#isOver && !this.#isEnded && this.#unconsumed < WINDOW;
  }

  get waitsFor(): WaitsFor {
    if (this.#isOver) return "nothing";
    if (this.#request !== null && !this.#isHeldBack) return "exchange";
    return this.#hasInput ? "head" : "request";
  }

  feed(bytes: Uint8Array): ServerStep[] {
    if (this.#isOver || this.#isEnded) return [];
    this.#hasInput = true;
    try {
      this.#frames.take(bytes);
    } catch (error) {
      if (error instanceof HttpError) this.#refuse(error);
      else if (error instanceof ProtocolError) this.#fail("protocol", error.message);
      else throw error;
    }
    return this.#takeSteps();
  }

  inputEnded(how: "clean" | "reset"): ServerStep[] {
    if (this.#isOver || (this.#isEnded && how === "clean")) return [];
    this.#isEnded = true;
    if (how === "reset") this.#fail("cancel", "The client has cancelled it");
    else if (this.#request === null || this.#frames.isWithin) {
      this.#fail("protocol", "The request is cut short");
    } else if (!this.#isRequestDone) this.#endRequest([]);
    return this.#takeSteps();
  }

  respond(id: number, head: HttpResponse): ServerStep[] {
    const request = this.#at(id);
    if (request === null || this.#hasResponse) return [];
    const { status } = head;
    if (status === 101) {
      if (request.upgrade === null) {
        this.#fail("internal", "The answer changes the protocol unasked");
      } else this.#openTunnel(head);
    } else if (status < 200) this.#interim(request, head);
    else if (request.method === "CONNECT" && status < 300) this.#openTunnel(head);
    else this.#respond(request, head);
    return this.#takeSteps();
  }

  data(id: number, bytes: Uint8Array): ServerStep[] {
    if (this.#at(id) === null || !this.#hasResponse || this.#isResponseDone) return [];
    if (bytes.length === 0) return [];
    if (this.#responseLeft !== null) {
      if (bytes.length > this.#responseLeft) this.#fail("internal", "The answer is too long");
      else this.#responseLeft -= bytes.length;
    }
    this.#write(frameHeader(Frame.data, bytes.length));
    this.#write(bytes);
    if (this.#responseLeft === 0) this.#endResponse();
    return this.#takeSteps();
  }

  end(id: number, trailers: readonly Field[]): ServerStep[] {
    if (this.#at(id) === null || !this.#hasResponse || this.#isResponseDone) return [];
    if (trailers.length > 0 && this.#responseLeft === null && !this.#isTunnel) {
      this.#write(packFrame(Frame.headers, encodeQpack(trailers.map(lowerCase))));
    }
    this.#endResponse();
    return this.#takeSteps();
  }

  /** One of a known length is seen to be cut short; before its head nothing is taken for an answer. */
  reset(id: number, _code: ResetCode): ServerStep[] {
    if (this.#at(id) === null || this.#isResponseDone) return [];
    const isSeen = !this.#hasResponse || this.#responseLeft !== null;
    this.#close(isSeen && !this.#isTunnel ? "clean" : "reset");
    return this.#takeSteps();
  }

  room(id: number): number {
    return this.#at(id) === null ? 0 : Number.MAX_SAFE_INTEGER;
  }

  consumed(_id: number, bytes: number): ServerStep[] {
    this.#unconsumed -= bytes;
    return [];
  }

  drain(): ServerStep[] {
    return []; // its stream serves no other exchange
  }

  timedOut(): ServerStep[] {
    if (this.waitsFor === "head" || this.waitsFor === "request") this.#close("clean");
    return this.#takeSteps();
  }

  #at(id: number): HttpRequest | null {
    return id === ID && !this.#isOver ? this.#request : null;
  }

  #takeSteps(): ServerStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  #write(bytes: Uint8Array): void {
    if (!this.#isOver) this.#steps.push({ kind: "write", bytes });
  }

  #close(how: "clean" | "reset"): void {
    if (!this.#isOver) this.#steps.push({ kind: "close", how });
    this.#isOver = true;
  }

  #fail(code: ResetCode, words: string): void {
    if (this.#isOver) return;
    if (this.#request !== null && !this.#isHeldBack) {
      this.#steps.push({ kind: "reset", id: ID, code, words });
    }
    this.#close(code === "cancel" ? "clean" : "reset");
  }

  // The request.

  #begins(type: number, length: number): "pieces" | "whole" | "skip" {
    if (type === Frame.headers) {
      if (this.#hasTrailers) throw bad("a frame came behind the trailer");
      if (length > MOST_BLOCK) throw tooLarge();
      return "whole";
    }
    if (type === Frame.data) {
      if (this.#request === null || this.#hasTrailers) throw bad("data came out of turn");
      return "pieces";
    }
    const isControl = type === Frame.settings || type === Frame.goaway ||
      type === Frame.cancelPush || type === Frame.maxPushId || type === Frame.pushPromise;
    if (isControl || HTTP2_FRAMES.has(type)) throw bad("a frame is on the wrong stream");
    if (++this.#ignored > MOST_IGNORED || length > MOST_BLOCK) throw bad("too much without use");
    return "skip";
  }

  #headers(block: Uint8Array): void {
    if (this.#isOver) return;
    const list = decodeQpack(block, LIST_LIMITS);
    if (this.#request !== null) {
      if (list.isTooLarge || this.#mayTunnel) throw bad("its trailer is too large or out of turn");
      this.#hasTrailers = true;
      return this.#endRequest(readStreamTrailers(list.fields));
    }
    if (list.isTooLarge) throw tooLarge();
    const { scheme, websocketKey } = this.#o;
    const request = readStreamRequest(list.fields, { isEnd: false, scheme, websocketKey });
    const [length] = valuesOf(request.fields, "content-length");
    this.#requestLeft = length === undefined ? null : Number(length);
    this.#mayTunnel = request.upgrade !== null || request.method === "CONNECT";
    const isBare = this.#requestLeft === null && SELDOM_BODY.has(request.method);
    this.#isHeldBack = !this.#mayTunnel && isBare;
    const hasBody = !this.#mayTunnel && this.#requestLeft !== 0;
    this.#request = { ...request, hasBody };
    if (!this.#isHeldBack) this.#steps.push({ kind: "request", id: ID, head: this.#request });
  }

  #data(bytes: Uint8Array): void {
    if (this.#isOver || this.#isRequestDone) return;
    if (this.#requestLeft !== null) {
      this.#requestLeft -= bytes.length;
      if (this.#requestLeft < 0) throw bad("the request is longer than it says");
    }
    this.#tellRequest(true);
    if (this.#mayTunnel && !this.#isTunnel) {
      this.#unconsumed += bytes.length;
      pushJoined(this.#early, bytes);
    } else this.#giveData(bytes);
  }

  #giveData(bytes: Uint8Array): void {
    this.#unconsumed += bytes.length;
    this.#steps.push({ kind: "data", id: ID, bytes });
  }

  #tellRequest(hasBody: boolean): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.#request = { ...this.#request!, hasBody };
    this.#steps.push({ kind: "request", id: ID, head: this.#request });
  }

  #endRequest(trailers: readonly Field[]): void {
    if (this.#isOver) return;
    this.#tellRequest(trailers.length > 0);
    if ((this.#requestLeft ?? 0) > 0) return this.#fail("protocol", "The request is cut short");
    this.#isRequestDone = true;
    if (this.#mayTunnel && !this.#isTunnel) return; // told when it is open
    this.#steps.push({ kind: "end", id: ID, trailers });
    if (this.#isResponseDone) this.#close("clean");
  }

  /** Answers a request that cannot be read. It was never one for the machine's user. */
  #refuse({ status, message }: HttpError): void {
    if (this.#request !== null && !this.#isHeldBack) return this.#fail("protocol", message);
    const { fields, body } = this.#o.makePage(status, message);
    const list = [
      { name: ":status", value: String(status) },
      ...fields.map(lowerCase),
      { name: "content-length", value: String(body.length) },
    ];
    this.#write(packFrame(Frame.headers, encodeQpack(list)));
    this.#write(packFrame(Frame.data, body));
    this.#close("clean");
  }

  // The response.

  #interim({ fields }: HttpRequest, head: HttpResponse): void {
    if (head.status === 100) {
      const expects = valuesOf(fields, "expect").some((it) => it.toLowerCase() === "100-continue");
      if (!expects || this.#has100 || this.#isRequestDone) return;
      this.#has100 = true;
    }
    this.#write(packFrame(Frame.headers, encodeQpack(listOf(head))));
  }

  #openTunnel(head: HttpResponse): void {
    this.#write(packFrame(Frame.headers, encodeQpack(tunnelListOf(head))));
    this.#hasResponse = this.#isTunnel = true;
    for (const part of this.#early.splice(0)) {
      this.#unconsumed -= part.length;
      this.#giveData(part);
    }
    if (this.#isRequestDone) this.#steps.push({ kind: "end", id: ID, trailers: [] });
  }

  #respond({ method }: HttpRequest, head: HttpResponse): void {
    this.#write(packFrame(Frame.headers, encodeQpack(listOf(head))));
    this.#hasResponse = true;
    this.#responseLeft = bodyLength(method, head);
    if (this.#responseLeft === 0) this.#endResponse();
  }

  /** With the response the exchange ends, but for a tunnel's other way. */
  #endResponse(): void {
    this.#isResponseDone = true;
    if (this.#isTunnel && !this.#isRequestDone) this.#steps.push({ kind: "closeWrite" });
    else this.#close("clean");
  }
}

function tooLarge(): HttpError {
  return new HttpError(431, "The request's fields are too many or too long");
}

function bad(what: string): ProtocolError {
  return new ProtocolError(`HTTP/3: ${what}`);
}
