import { HttpError } from "../error.ts";
import type {
  HttpResponse,
  HttpServerMachine,
  ResetCode,
  ServerStep,
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
  packResponseHead,
  packTrailers,
  readRequestHead,
  readTrailers,
  type RequestOrigin,
} from "./heads.ts";

/** The exchange's number: a stream has no other. */
const ID = 1;

/** The end of an exchange's stream that is asked: the agent's. */
export class FramedServer implements HttpServerMachine {
  /** Where the request comes from; null until it has come. */
  origin: RequestOrigin | null = null;
  readonly #frames = new FrameReader({
    control: (type, body) => this.#control(type, body),
    data: (part) => this.#data(part),
  });
  #hasRequest = false;
  #isTunnel = false;
  #isConnect = false;
  #isRequestDone = false;
  #hasResponse = false;
  #isResponseDone = false;
  #isOver = false;
  #isEnded = false;
  #unconsumed = 0;
  #steps: ServerStep[] = [];

  get wantsInput(): boolean {
    return !this.#isOver && !this.#isEnded && this.#unconsumed < WINDOW;
  }

  get waitsFor(): WaitsFor {
    if (this.#isOver) return "nothing";
    return this.#hasRequest ? "exchange" : "head";
  }

  feed(bytes: Uint8Array): ServerStep[] {
    if (this.#isOver || this.#isEnded) return [];
    try {
      this.#frames.take(bytes);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#fail("protocol", error.message, true);
    }
    return this.#takeSteps();
  }

  inputEnded(how: "clean" | "reset"): ServerStep[] {
    if (this.#isOver || this.#isEnded) return [];
    this.#isEnded = true;
    // Behind the end of the request the node ends its side; before, it has left.
    if (how === "reset" || !this.#isRequestDone) {
      this.#fail("cancel", "The node has ended the exchange", false);
    }
    return this.#takeSteps();
  }

  respond(id: number, head: HttpResponse): ServerStep[] {
    if (!this.#isOpen(id) || this.#hasResponse) return [];
    this.#steps.push({ kind: "write", bytes: packFrame(RESPONSE, packResponseHead(head)) });
    const { status } = head;
    if (status === 101 || (this.#isConnect && status >= 200 && status < 300)) {
      this.#isTunnel = this.#hasResponse = true;
      this.#isRequestDone = false;
    } else if (status >= 200) this.#hasResponse = true;
    return this.#takeSteps();
  }

  data(id: number, bytes: Uint8Array): ServerStep[] {
    if (!this.#isOpen(id) || !this.#hasResponse || this.#isResponseDone || bytes.length === 0) {
      return [];
    }
    return [{ kind: "write", bytes: frameHeader(DATA, bytes.length) }, { kind: "write", bytes }];
  }

  end(id: number, trailers: readonly Field[]): ServerStep[] {
    if (!this.#isOpen(id) || !this.#hasResponse || this.#isResponseDone) return [];
    this.#isResponseDone = true;
    this.#steps.push({ kind: "write", bytes: packFrame(END, packTrailers(trailers)) });
    if (!this.#isTunnel || this.#isRequestDone) this.#close("clean");
    return this.#takeSteps();
  }

  reset(id: number, code: ResetCode, words = ""): ServerStep[] {
    if (!this.#isOpen(id)) return [];
    this.#steps.push({ kind: "write", bytes: packReset(code, words) });
    this.#close("clean");
    return this.#takeSteps();
  }

  room(id: number): number {
    return this.#isOpen(id) ? Number.MAX_SAFE_INTEGER : 0;
  }

  consumed(_id: number, bytes: number): ServerStep[] {
    this.#unconsumed -= bytes;
    return [];
  }

  drain(): ServerStep[] {
    return []; // its stream serves no other exchange
  }

  timedOut(): ServerStep[] {
    if (this.waitsFor === "head") this.#close("reset");
    return this.#takeSteps();
  }

  #isOpen(id: number): boolean {
    return id === ID && this.#hasRequest && !this.#isOver;
  }

  #takeSteps(): ServerStep[] {
    const steps = this.#steps;
    this.#steps = [];
    return steps;
  }

  #close(how: "clean" | "reset"): void {
    if (!this.#isOver) this.#steps.push({ kind: "close", how });
    this.#isOver = true;
  }

  #fail(code: ResetCode, words: string, tells: boolean): void {
    if (this.#isOver) return;
    if (this.#hasRequest) this.#steps.push({ kind: "reset", id: ID, code, words });
    if (tells) this.#steps.push({ kind: "write", bytes: packReset(code, words) });
    this.#close(tells ? "clean" : "reset");
  }

  #control(type: number, body: Uint8Array): void {
    if (this.#isOver) return;
    if (type === REQUEST && !this.#hasRequest) this.#request(body);
    else if (type === RESET && this.#hasRequest) {
      const { code, words } = readReset(body);
      this.#fail(code, words, false);
    } else if (type === END && this.#takesData) {
      this.#isRequestDone = true;
      this.#steps.push({ kind: "end", id: ID, trailers: readTrailers(textOf(body)) });
      if (this.#isTunnel && this.#isResponseDone) this.#close("clean");
    } else throw outOfTurn();
  }

  #request(body: Uint8Array): void {
    const { head, origin } = readRequestHead(textOf(body));
    this.origin = origin;
    this.#hasRequest = true;
    this.#isConnect = head.method === "CONNECT";
    const mayTunnel = this.#isConnect || head.upgrade !== null;
    this.#isRequestDone = !head.hasBody;
    this.#steps.push({ kind: "request", id: ID, head });
    if (!head.hasBody && !mayTunnel) this.#steps.push({ kind: "end", id: ID, trailers: [] });
  }

  #data(part: Uint8Array): void {
    if (this.#isOver) return;
    if (!this.#takesData) throw outOfTurn();
    this.#unconsumed += part.length;
    this.#steps.push({ kind: "data", id: ID, bytes: part });
  }

  get #takesData(): boolean {
    return this.#hasRequest && !this.#isRequestDone;
  }
}
