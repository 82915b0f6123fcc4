import { concat } from "../../../base/bytes.ts";
import { HttpError } from "../error.ts";
import type {
  HttpRequest,
  HttpResponse,
  HttpServerMachine,
  ResetCode,
  ServerStep,
  WaitsFor,
} from "../exchange.ts";
import { type Field, isNamed, valuesOf } from "../fields.ts";
import { REASONS } from "../reasons.ts";
import { BodyReader } from "./body.ts";
import { HeadCollector, parseRequestHead, REQUEST_LIMITS } from "./head.ts";
import { type BodyFraming, MessageWriter } from "./message_writer.ts";
import { packHead } from "./pack_head.ts";
import { readOriginRequest, type ReadRequest } from "./read_request.ts";

/** Bytes held before their time: of the next request, or of a tunnel that is not yet open. */
const MOST_HELD = 16 * 1024;

/** Bytes of a request's data that may be given before some have gone on. */
const WINDOW = 64 * 1024;

/** A page in place of a response, for a request that cannot be read. */
export type MakePage = (
  status: number,
  words: string,
) => { readonly fields: readonly Field[]; readonly body: Uint8Array };

interface Exchange {
  readonly id: number;
  readonly request: ReadRequest;
  readonly body: BodyReader;
  /** Null until the final head of the response is written. */
  writer: MessageWriter | null;
  isTunnel: boolean;
  isRequestDone: boolean;
  isResponseDone: boolean;
  /** The connection serves no other exchange after it. */
  isLast: boolean;
  has100: boolean;
  unconsumed: number;
}

/**
 * One connection of a client as an origin server of HTTP/1.1 (RFC 9112), one exchange after the
 * other: what comes of a next request is held until the response has ended. A client that ends its
 * side while it waits is taken for one that has left, as nginx and Go take it.
 */
export class Http1Server implements HttpServerMachine {
  readonly #scheme: "http" | "https";
  readonly #makePage: MakePage;
  #head = new HeadCollector(REQUEST_LIMITS);
  #held: Uint8Array = new Uint8Array();
  #exchange: Exchange | null = null;
  #lastId = 0;
  #isEnded = false;
  #isDraining = false;
  #isOver = false;
  #steps: ServerStep[] = [];

  constructor(o: { scheme: "http" | "https"; makePage: MakePage }) {
    this.#scheme = o.scheme;
    this.#makePage = o.makePage;
  }

  get wantsInput(): boolean {
    if (this.#isOver || this.#isEnded || this.#held.length >= MOST_HELD) return false;
    return this.#exchange === null || this.#exchange.unconsumed < WINDOW;
  }

  get waitsFor(): WaitsFor {
    if (this.#isOver) return "nothing";
    if (this.#exchange !== null) return "exchange";
    return this.#head.isEmpty ? "request" : "head";
  }

  feed(bytes: Uint8Array): ServerStep[] {
    if (this.#isOver || this.#isEnded) return [];
    const held = this.#held;
    this.#held = held.length === 0 ? bytes : concat(held, bytes);
    this.#useHeld();
    if (held.length === 0 && this.#held.length > 0) this.#held = this.#held.slice();
    return this.#takeSteps();
  }

  inputEnded(how: "clean" | "reset"): ServerStep[] {
    if (this.#isOver || this.#isEnded) return [];
    this.#isEnded = true;
    const exchange = this.#exchange;
    if (exchange === null) {
      this.#close("clean");
    } else if (exchange.isTunnel && how === "clean") {
      this.#endRequest(exchange, []);
    } else {
      this.#giveReset(exchange, "cancel", "The client has left");
      this.#close("reset");
    }
    return this.#takeSteps();
  }

  respond(id: number, head: HttpResponse): ServerStep[] {
    const exchange = this.#at(id);
    if (exchange === null || exchange.writer !== null) return [];
    const { method } = exchange.request.head;
    if (head.status === 101) this.#switch(exchange, head);
    else if (head.status < 200) this.#interim(exchange, head);
    else if (method === "CONNECT" && head.status < 300) this.#openTunnel(exchange, head, []);
    else this.#respond(exchange, head);
    return this.#takeSteps();
  }

  data(id: number, bytes: Uint8Array): ServerStep[] {
    const exchange = this.#at(id);
    if (exchange === null || exchange.writer === null || exchange.isResponseDone) return [];
    if (!exchange.writer.data(bytes, this.#steps)) this.#close("reset");
    return this.#takeSteps();
  }

  end(id: number, trailers: readonly Field[]): ServerStep[] {
    const exchange = this.#at(id);
    if (exchange === null || exchange.writer === null || exchange.isResponseDone) return [];
    exchange.isResponseDone = true;
    if (!exchange.writer.end(trailers, this.#steps)) this.#close("reset");
    else if (!exchange.isTunnel) this.#finish(exchange);
    else if (exchange.isRequestDone) this.#close("clean");
    else this.#steps.push({ kind: "closeWrite" });
    return this.#takeSteps();
  }

  reset(id: number, _code: ResetCode): ServerStep[] {
    if (this.#at(id) !== null) this.#close("reset");
    return this.#takeSteps();
  }

  room(id: number): number {
    return this.#at(id) === null ? 0 : Number.MAX_SAFE_INTEGER;
  }

  consumed(id: number, bytes: number): ServerStep[] {
    const exchange = this.#at(id);
    if (exchange !== null) exchange.unconsumed -= bytes;
    return [];
  }

  drain(): ServerStep[] {
    this.#isDraining = true;
    if (this.waitsFor === "request") this.#close("clean");
    return this.#takeSteps();
  }

  timedOut(): ServerStep[] {
    if (this.waitsFor === "head") {
      this.#refuse(new HttpError(408, "The request did not come in time"));
    } else if (this.waitsFor === "request") this.#close("clean");
    return this.#takeSteps();
  }

  #takeSteps(): ServerStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  #at(id: number): Exchange | null {
    return this.#isOver || this.#exchange?.id !== id ? null : this.#exchange;
  }

  #close(how: "clean" | "reset"): void {
    if (!this.#isOver) this.#steps.push({ kind: "close", how });
    this.#isOver = true;
    this.#exchange = null;
    this.#held = new Uint8Array();
  }

  // The request.

  #useHeld(): void {
    try {
      while (!this.#isOver && this.#held.length > 0) {
        const exchange = this.#exchange;
        if (exchange === null) this.#takeHead();
        else if (exchange.isTunnel) this.#takeTunnel(exchange);
        else if (!exchange.isRequestDone) this.#takeBody(exchange);
        else return;
      }
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#refuse(error);
    }
  }

  #takeHead(): void {
    this.#held = this.#held.subarray(this.#head.take(this.#held));
    if (!this.#head.isWhole) return;
    const text = this.#head.text();
    this.#head = new HeadCollector(REQUEST_LIMITS);
    // Another reader before this one may have seen no end of a line there.
    if (/(?:^|[^\r])\n/.test(text)) throw new HttpError(400, "A line ends without CR");
    this.#begin(readOriginRequest(parseRequestHead(text), this.#scheme));
  }

  #begin(request: ReadRequest): void {
    const { head, framing, nextHop, isPersistent } = request;
    const options = { limits: REQUEST_LIMITS, unchunks: true, nextHop };
    const exchange: Exchange = {
      id: ++this.#lastId,
      request,
      body: new BodyReader(framing, options),
      writer: null,
      isTunnel: false,
      isRequestDone: false,
      isResponseDone: false,
      isLast: !isPersistent || this.#isDraining,
      has100: false,
      unconsumed: 0,
    };
    this.#exchange = exchange;
    this.#steps.push({ kind: "request", id: exchange.id, head });
    if (mayTunnel(head)) {
      exchange.isRequestDone = true; // until the response says otherwise
    } else if (exchange.body.isDone) this.#endRequest(exchange, []);
  }

  #takeBody(exchange: Exchange): void {
    const size = exchange.body.take(this.#held, (bytes) => this.#giveData(exchange, bytes));
    this.#held = this.#held.subarray(size);
    if (exchange.body.isDone) this.#endRequest(exchange, exchange.body.trailers);
  }

  #takeTunnel(exchange: Exchange): void {
    this.#giveData(exchange, this.#held);
    this.#held = this.#held.subarray(this.#held.length);
  }

  #giveData(exchange: Exchange, bytes: Uint8Array): void {
    exchange.unconsumed += bytes.length;
    this.#steps.push({ kind: "data", id: exchange.id, bytes });
  }

  #giveReset(exchange: Exchange, code: ResetCode, words: string): void {
    this.#steps.push({ kind: "reset", id: exchange.id, code, words });
  }

  #endRequest(exchange: Exchange, trailers: readonly Field[]): void {
    exchange.isRequestDone = true;
    this.#steps.push({ kind: "end", id: exchange.id, trailers });
    if (exchange.isTunnel && exchange.isResponseDone) this.#close("clean");
  }

  /** Refuses what cannot be read: nobody knows where the next request begins. */
  #refuse(error: HttpError): void {
    const exchange = this.#exchange;
    if (exchange !== null) this.#giveReset(exchange, "protocol", error.message);
    if (exchange !== null && exchange.writer !== null) return this.#close("reset");
    const { fields, body } = this.#makePage(error.status, error.message);
    const head = packHead(statusLine(1, error.status, ""), [
      ...fields,
      { name: "Content-Length", value: String(body.length) },
      { name: "Connection", value: "close" },
    ]);
    this.#steps.push({ kind: "write", bytes: concat(head, body) });
    this.#close("clean");
  }

  // The response.

  /** Passes on an interim response, which HTTP/1.0 does not know; one 100, and only if expected. */
  #interim(exchange: Exchange, head: HttpResponse): void {
    const { minor, expectsContinue } = exchange.request;
    if (minor === 0) return;
    if (head.status === 100) {
      if (!expectsContinue || exchange.has100 || exchange.isRequestDone) return;
      exchange.has100 = true;
    }
    this.#write(statusLine(1, head.status, head.reason), head.fields.filter(isNotFraming));
  }

  #switch(exchange: Exchange, head: HttpResponse): void {
    const { upgrade } = exchange.request.head;
    if (upgrade === null) return this.#close("reset"); // nobody asked for it
    this.#openTunnel(exchange, head, [
      { name: "Upgrade", value: head.upgrade ?? upgrade },
      { name: "Connection", value: "Upgrade" },
    ]);
  }

  #openTunnel(exchange: Exchange, head: HttpResponse, more: readonly Field[]): void {
    const { minor } = exchange.request;
    const fields = [...head.fields.filter(isNotFraming), ...more];
    this.#write(statusLine(minor, head.status, head.reason), fields);
    exchange.writer = new MessageWriter({ kind: "tunnel" });
    exchange.isTunnel = true;
    exchange.isRequestDone = false;
    this.#useHeld();
  }

  #respond(exchange: Exchange, head: HttpResponse): void {
    const { minor } = exchange.request;
    const framing = framingOf(exchange.request, head);
    // The rest of a body that is not wanted any more cannot be told from another request.
    exchange.isLast ||= this.#isDraining || !exchange.isRequestDone || framing.kind === "close";
    // Bytes for a tunnel that was refused are no request.
    if (mayTunnel(exchange.request.head)) {
      exchange.isLast ||= exchange.request.head.method === "CONNECT" || this.#held.length > 0;
    }
    const upgrade = head.status === 426 ? head.upgrade : null;
    const options = [
      ...(upgrade === null ? [] : ["Upgrade"]),
      ...(exchange.isLast ? ["close"] : []),
    ];
    this.#write(statusLine(minor, head.status, head.reason), [
      ...(head.status === 204 ? head.fields.filter(isNotFraming) : head.fields),
      ...(framing.kind === "chunked" ? [{ name: "Transfer-Encoding", value: "chunked" }] : []),
      ...(upgrade === null ? [] : [{ name: "Upgrade", value: upgrade }]),
      ...(options.length === 0 ? [] : [{ name: "Connection", value: options.join(", ") }]),
    ]);
    exchange.writer = new MessageWriter(framing);
  }

  #write(line: string, fields: readonly Field[]): void {
    this.#steps.push({ kind: "write", bytes: packHead(line, fields) });
  }

  #finish(exchange: Exchange): void {
    if (exchange.isLast || !exchange.isRequestDone || this.#isDraining) return this.#close("clean");
    this.#exchange = null;
    this.#useHeld();
  }
}

function mayTunnel({ method, upgrade }: HttpRequest): boolean {
  return method === "CONNECT" || upgrade !== null;
}

function isNotFraming(field: Field): boolean {
  return !isNamed(field, "content-length");
}

function framingOf({ head, minor }: ReadRequest, { status, fields }: HttpResponse): BodyFraming {
  if (head.method === "HEAD" || status === 204 || status === 304) return { kind: "none" };
  const [length] = valuesOf(fields, "content-length");
  if (length !== undefined) return { kind: "length", length: Number(length) };
  return { kind: minor === 0 ? "close" : "chunked" };
}

function statusLine(minor: 0 | 1, status: number, reason: string): string {
  return `HTTP/1.${minor} ${status} ${reason === "" ? REASONS[status] ?? "" : reason}`;
}
