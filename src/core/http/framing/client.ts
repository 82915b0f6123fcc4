import { HttpError } from "../error.ts";
import type {
  ClientStep,
  HttpClientMachine,
  HttpRequest,
  ResetCode,
  WaitsFor,
} from "../exchange.ts";
import type { Field } from "../fields.ts";
import {
  DATA,
  END,
  frameHeader,
  FrameReader,
  outOfTurn,
  packFrame,
  packReset,
  readReset,
  REQUEST,
  RESET,
  RESPONSE,
  textOf,
  WINDOW,
} from "./frames.ts";
import {
  packRequestHead,
  packTrailers,
  readResponseHead,
  readTrailers,
  type RequestOrigin,
} from "./heads.ts";

/** Interim responses, and bytes of them: no window holds them back from a visitor that does not read. */
const MOST_INTERIM = 32;
const MOST_INTERIM_BYTES = 64 * 1024;

/**
 * The end of an exchange's stream that asks: the node's. It believes nothing of the other end, which
 * is somebody's agent: heads are checked as those of a visitor are.
 */
export class FramedClient implements HttpClientMachine {
  readonly #origin: RequestOrigin;
  readonly #frames = new FrameReader({
    control: (type, body) => this.#control(type, body),
    data: (part) => this.#data(part),
  });
  #request: HttpRequest | null = null;
  #isTunnel = false;
  #isRequestDone = false;
  #hasAnswer = false;
  #hasResponse = false;
  #isResponseDone = false;
  #isOver = false;
  #isEnded = false;
  #interim = 0;
  #interimBytes = 0;
  #unconsumed = 0;
  #steps: ClientStep[] = [];

  constructor(origin: RequestOrigin) {
    this.#origin = origin;
  }

  get isFree(): boolean {
    return this.#request === null && !this.#isOver;
  }

  get wantsInput(): boolean {
    return !this.#isOver && !this.#isEnded && this.#unconsumed < WINDOW;
  }

  get waitsFor(): WaitsFor {
    if (this.#isOver) return "nothing";
    return this.#request === null ? "request" : "exchange";
  }

  request(head: HttpRequest): ClientStep[] {
    this.#request = head;
    this.#isRequestDone = !head.hasBody;
    return [{ kind: "write", bytes: packFrame(REQUEST, packRequestHead(head, this.#origin)) }];
  }

  data(bytes: Uint8Array): ClientStep[] {
    if (!this.#isOpen || this.#isRequestDone || bytes.length === 0) return [];
    return [{ kind: "write", bytes: frameHeader(DATA, bytes.length) }, { kind: "write", bytes }];
  }

  end(trailers: readonly Field[]): ClientStep[] {
    if (!this.#isOpen || this.#isRequestDone) return [];
    this.#isRequestDone = true;
    this.#steps.push({ kind: "write", bytes: packFrame(END, packTrailers(trailers)) });
    if (this.#isTunnel && this.#isResponseDone) this.#close("clean");
    return this.#takeSteps();
  }

  reset(code: ResetCode, words = ""): ClientStep[] {
    if (!this.#isOpen) return [];
    this.#steps.push({ kind: "write", bytes: packReset(code, words) });
    this.#close("clean");
    return this.#takeSteps();
  }

  room(): number {
    return this.#isOpen ? Number.MAX_SAFE_INTEGER : 0;
  }

  consumed(bytes: number): ClientStep[] {
    this.#unconsumed -= bytes;
    return [];
  }

  feed(bytes: Uint8Array): ClientStep[] {
    if (this.#isOver || this.#isEnded) return [];
    try {
      this.#frames.take(bytes);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#fail("protocol", error.message);
    }
    return this.#takeSteps();
  }

  inputEnded(how: "clean" | "reset"): ClientStep[] {
    if (this.#isOver || this.#isEnded) return [];
    this.#isEnded = true;
    if (this.#request === null) this.#close("clean");
    else if (how === "reset" || !this.#isResponseDone) {
      const code = this.#hasAnswer ? "incomplete" : "unanswered";
      this.#fail(code, "The agent's stream ended before its time");
    }
    return this.#takeSteps();
  }

  get #isOpen(): boolean {
    return this.#request !== null && !this.#isOver;
  }

  #takeSteps(): ClientStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  #close(how: "clean" | "reset"): void {
    if (!this.#isOver) this.#steps.push({ kind: "close", how });
    this.#isOver = true;
  }

  #fail(code: ResetCode, words: string): void {
    if (this.#isOver) return;
    this.#steps.push({ kind: "reset", code, words });
    this.#close("reset");
  }

  #control(type: number, body: Uint8Array): void {
    if (this.#isOver) return;
    if (this.#request === null) throw outOfTurn();
    this.#hasAnswer = true;
    if (type === RESET) {
      const { code, words } = readReset(body);
      this.#fail(code, words);
    } else if (type === RESPONSE && !this.#hasResponse) this.#response(this.#request, body);
    else if (type === END && this.#takesData) this.#end(readTrailers(textOf(body)));
    else throw outOfTurn();
  }

  #response(request: HttpRequest, body: Uint8Array): void {
    const head = readResponseHead(textOf(body));
    const isConnected = request.method === "CONNECT" && head.status >= 200 && head.status < 300;
    if (head.status === 101 || isConnected) {
      if (!isConnected && request.upgrade === null) throw outOfTurn();
      this.#isTunnel = this.#hasResponse = true;
      this.#isRequestDone = false;
    } else if (head.status >= 200) this.#hasResponse = true;
    else {
      this.#interim++;
      this.#interimBytes += body.length;
      if (this.#interim > MOST_INTERIM || this.#interimBytes > MOST_INTERIM_BYTES) {
        throw outOfTurn();
      }
    }
    this.#steps.push({ kind: "response", head });
  }

  #end(trailers: readonly Field[]): void {
    this.#isResponseDone = true;
    this.#steps.push({ kind: "end", trailers });
    // The agent wants no more of a request that it has answered.
    if (!this.#isTunnel) this.#close(this.#isRequestDone ? "clean" : "reset");
    else if (this.#isRequestDone) this.#close("clean");
  }

  #data(part: Uint8Array): void {
    if (this.#isOver) return;
    if (!this.#takesData) throw outOfTurn();
    this.#unconsumed += part.length;
    this.#steps.push({ kind: "data", bytes: part });
  }

  get #takesData(): boolean {
    return this.#hasResponse && !this.#isResponseDone;
  }
}
