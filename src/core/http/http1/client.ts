import { HttpError } from "../error.ts";
import type {
  ClientStep,
  HttpClientMachine,
  HttpRequest,
  HttpResponse,
  ResetCode,
  WaitsFor,
} from "../exchange.ts";
import { type Field, listOf, valuesOf } from "../fields.ts";
import { BodyReader } from "./body.ts";
import { isPersistent, nextHopOf, upgradeOf, withoutNextHop } from "./connection_fields.ts";
import { HeadCollector, RESPONSE_LIMITS } from "./head.ts";
import { type BodyFraming, MessageWriter } from "./message_writer.ts";
import { packHead } from "./pack_head.ts";
import { responseFraming } from "./response_framing.ts";
import { parseResponseHead, type ResponseHead } from "./response_head.ts";

/** Bytes of a response's data that may be given before some have gone on. */
const WINDOW = 64 * 1024;

/** Interim responses of one request; more are not a hint but a flood. */
const MOST_INTERIM = 32;

interface Exchange {
  readonly request: HttpRequest;
  writer: MessageWriter;
  /** Null until the final head of the response is there. */
  body: BodyReader | null;
  isTunnel: boolean;
  isRequestDone: boolean;
  isResponseDone: boolean;
  /** The connection serves no other request after it. */
  isLast: boolean;
  hasAnswer: boolean;
  interim: number;
  unconsumed: number;
}

/**
 * One connection to a server of HTTP/1.1 (RFC 9112), one request after the other. Responses are read
 * as browsers read them (response_head.ts, response_framing.ts), but a connection on which something
 * had to be mended, or on which bytes came that nobody asked for, serves no other request.
 */
export class Http1Client implements HttpClientMachine {
  #head = new HeadCollector(RESPONSE_LIMITS);
  #exchange: Exchange | null = null;
  #isOver = false;
  #isEnded = false;
  #steps: ClientStep[] = [];

  get isFree(): boolean {
    return !this.#isOver && this.#exchange === null;
  }

  get wantsInput(): boolean {
    if (this.#isOver || this.#isEnded) return false;
    return this.#exchange === null || this.#exchange.unconsumed < WINDOW;
  }

  get waitsFor(): WaitsFor {
    if (this.#isOver) return "nothing";
    return this.#exchange === null ? "request" : "exchange";
  }

  /** Only while `isFree`. */
  request(head: HttpRequest): ClientStep[] {
    const framing = framingOf(head);
    this.#exchange = {
      request: head,
      writer: new MessageWriter(framing),
      body: null,
      isTunnel: false,
      isRequestDone: !head.hasBody,
      isResponseDone: false,
      isLast: false,
      hasAnswer: false,
      interim: 0,
      unconsumed: 0,
    };
    this.#steps.push({ kind: "write", bytes: packRequest(head, framing) });
    return this.#takeSteps();
  }

  data(bytes: Uint8Array): ClientStep[] {
    const exchange = this.#exchange;
    if (exchange === null || (exchange.isRequestDone && !exchange.isTunnel)) return [];
    if (!exchange.writer.data(bytes, this.#steps)) {
      this.#fail("protocol", "The request is longer than its head says");
    }
    return this.#takeSteps();
  }

  end(trailers: readonly Field[]): ClientStep[] {
    const exchange = this.#exchange;
    if (exchange === null || exchange.isRequestDone) return [];
    exchange.isRequestDone = true;
    if (!exchange.writer.end(trailers, this.#steps)) {
      this.#fail("protocol", "The request is shorter than its head says");
    } else if (exchange.isTunnel) {
      if (exchange.isResponseDone) this.#close("clean");
      else this.#steps.push({ kind: "closeWrite" });
    }
    return this.#takeSteps();
  }

  reset(_code: ResetCode): ClientStep[] {
    if (this.#exchange !== null) this.#close("reset");
    return this.#takeSteps();
  }

  room(): number {
    return this.#exchange === null ? 0 : Number.MAX_SAFE_INTEGER;
  }

  consumed(bytes: number): ClientStep[] {
    if (this.#exchange !== null) this.#exchange.unconsumed -= bytes;
    return [];
  }

  feed(bytes: Uint8Array): ClientStep[] {
    let rest = bytes;
    try {
      while (rest.length > 0 && !this.#isOver) {
        const exchange = this.#exchange;
        if (exchange === null) this.#close("clean"); // nobody asked it anything
        else if (exchange.isTunnel) rest = this.#takeTunnel(exchange, rest);
        else if (exchange.body === null) rest = this.#takeHead(exchange, rest);
        else rest = this.#takeBody(exchange, exchange.body, rest);
      }
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#fail("protocol", error.message);
    }
    return this.#takeSteps();
  }

  inputEnded(how: "clean" | "reset"): ClientStep[] {
    if (this.#isOver || this.#isEnded) return [];
    this.#isEnded = true;
    const exchange = this.#exchange;
    if (exchange === null) this.#close("clean");
    else if (how === "clean" && exchange.isTunnel) {
      exchange.isResponseDone = true;
      this.#steps.push({ kind: "end", trailers: [] });
      if (exchange.isRequestDone) this.#close("clean");
    } else if (how === "clean" && exchange.body?.isWholeAtEnd === true) this.#finish(exchange);
    else if (!exchange.hasAnswer) {
      this.#fail("unanswered", "The connection ended before an answer came");
    } else this.#fail("incomplete", "The connection ended within the answer");
    return this.#takeSteps();
  }

  #takeSteps(): ClientStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  #close(how: "clean" | "reset"): void {
    if (!this.#isOver) this.#steps.push({ kind: "close", how });
    this.#isOver = true;
    this.#exchange = null;
  }

  #fail(code: ResetCode, words: string): void {
    this.#steps.push({ kind: "reset", code, words });
    this.#close("reset");
  }

  #takeTunnel(exchange: Exchange, bytes: Uint8Array): Uint8Array {
    this.#giveData(exchange, bytes);
    return bytes.subarray(bytes.length);
  }

  #giveData(exchange: Exchange, bytes: Uint8Array): void {
    exchange.unconsumed += bytes.length;
    this.#steps.push({ kind: "data", bytes });
  }

  #takeHead(exchange: Exchange, bytes: Uint8Array): Uint8Array {
    exchange.hasAnswer = true;
    const rest = bytes.subarray(this.#head.take(bytes));
    if (!this.#head.isWhole) return rest;
    const head = parseResponseHead(this.#head.text());
    this.#head = new HeadCollector(RESPONSE_LIMITS);
    if (head.status === 101) this.#switch(exchange, head);
    else if (head.status < 200) this.#interim(exchange, head);
    else if (exchange.request.method === "CONNECT" && head.status < 300) {
      this.#openTunnel(exchange, modelOf(head, head.fields));
    } else this.#final(exchange, head, rest.length > 0);
    return rest;
  }

  #interim(exchange: Exchange, head: ResponseHead): void {
    if (++exchange.interim > MOST_INTERIM) {
      throw new HttpError(502, "The target sends interim responses without an end");
    }
    this.#steps.push({ kind: "response", head: modelOf(head, head.fields) });
  }

  #switch(exchange: Exchange, head: ResponseHead): void {
    const upgrade = upgradeOf(head);
    if (exchange.request.upgrade === null || upgrade === null) {
      throw new HttpError(502, "Cannot change the protocol: nobody asked for it");
    }
    this.#openTunnel(exchange, { ...modelOf(head, head.fields), upgrade });
  }

  #openTunnel(exchange: Exchange, head: HttpResponse): void {
    exchange.isTunnel = true;
    exchange.isRequestDone = false;
    exchange.writer = new MessageWriter({ kind: "tunnel" });
    this.#steps.push({ kind: "response", head });
  }

  #final(exchange: Exchange, head: ResponseHead, hasMore: boolean): void {
    const { framing, fields, isSure } = responseFraming(head, exchange.request.method);
    if (framing.kind === "chunked" && listOf(fields, "transfer-encoding").length > 1) {
      throw new HttpError(502, "The target uses a Transfer-Encoding other than chunked");
    }
    exchange.isLast = !isPersistent(head) || !isSure || head.isMended;
    const model = modelOf(head, fields);
    const upgrade = head.status === 426 ? upgradeOf(head) : null;
    this.#steps.push({ kind: "response", head: { ...model, upgrade } });
    exchange.body = new BodyReader(framing, {
      limits: RESPONSE_LIMITS,
      mends: true,
      unchunks: true,
      nextHop: nextHopOf(head),
    });
    if (exchange.body.isDone) this.#finish(exchange, hasMore);
  }

  #takeBody(exchange: Exchange, body: BodyReader, bytes: Uint8Array): Uint8Array {
    const size = body.take(bytes, (part) => this.#giveData(exchange, part));
    if (body.isDone) this.#finish(exchange, size < bytes.length);
    return bytes.subarray(size);
  }

  /** `hasMore`: stray bytes of the server must not answer the next request. */
  #finish(exchange: Exchange, hasMore = false): void {
    const body = exchange.body!;
    this.#steps.push({ kind: "end", trailers: body.trailers });
    this.#exchange = null;
    // The rest of a request that was answered early would be read as another.
    if (!exchange.isRequestDone) this.#close("reset");
    else if (exchange.isLast || hasMore || body.isMended || this.#isEnded) this.#close("clean");
  }
}

function modelOf({ status, reason }: ResponseHead, fields: readonly Field[]): HttpResponse {
  const kept = withoutNextHop(fields)
    .filter(({ name }) => name.toLowerCase() !== "transfer-encoding");
  const hasNoLength = status < 200 || status === 204;
  return {
    status,
    reason,
    fields: hasNoLength ? kept.filter(({ name }) => name.toLowerCase() !== "content-length") : kept,
    upgrade: null,
  };
}

function framingOf({ fields, hasBody }: HttpRequest): BodyFraming {
  if (!hasBody) return { kind: "none" };
  const [length] = valuesOf(fields, "content-length");
  return length === undefined ? { kind: "chunked" } : { kind: "length", length: Number(length) };
}

function packRequest(head: HttpRequest, framing: BodyFraming): Uint8Array {
  const takesTrailers = valuesOf(head.fields, "te").length > 0;
  const options = [
    ...(head.upgrade === null ? [] : ["Upgrade"]),
    ...(takesTrailers ? ["TE"] : []),
  ];
  const target = head.method === "CONNECT" ? head.authority : head.path;
  return packHead(`${head.method} ${target} HTTP/1.1`, [
    { name: "Host", value: head.authority },
    ...head.fields,
    ...(framing.kind === "chunked" ? [{ name: "Transfer-Encoding", value: "chunked" }] : []),
    ...(head.upgrade === null ? [] : [{ name: "Upgrade", value: head.upgrade }]),
    ...(options.length === 0 ? [] : [{ name: "Connection", value: options.join(", ") }]),
  ]);
}
