import type {
  ClientStep,
  ConnectionStep,
  HttpClientMachine,
  HttpRequest,
  HttpResponse,
  HttpServerMachine,
  ResetCode,
  ServerStep,
} from "../../core/http/exchange.ts";
import type { Field } from "../../core/http/fields.ts";
import type { MachineDriver } from "./machine_driver.ts";
import { Way } from "./way.ts";

export interface ServerEnd {
  readonly machine: HttpServerMachine;
  readonly driver: Pick<MachineDriver<ServerStep>, "call" | "isBlocked" | "isBusy">;
}

export interface ClientEnd {
  readonly machine: HttpClientMachine;
  readonly driver: Pick<MachineDriver<ClientStep>, "call" | "isBlocked" | "isBusy" | "fail">;
}

export interface RelayEvents {
  /** Returns a response as the asker is to have it. */
  readonly respond?: (head: HttpResponse) => HttpResponse;
  /**
   * The end that answers has failed before its answer began. Returns true if that is taken care of, by
   * `attach` with another one or by `answer`. `mayRepeat`: nothing of the body has gone on.
   */
  readonly failed: (why: { code: ResetCode; words: string; mayRepeat: boolean }) => boolean;
  /** Called with the bodies' bytes as they come, borrowed for the call. */
  readonly passed?: ((of: "request" | "response", bytes: Uint8Array) => void) | undefined;
  /** Called once, when nothing of the exchange comes any more. */
  readonly over: () => void;
}

type FromServer = Exclude<ServerStep, ConnectionStep | { kind: "request" }>;
type FromClient = Exclude<ClientStep, ConnectionStep>;

/** Carries one exchange from the end that asks to the one that answers, with the pace of the slower. */
export class ExchangeRelay {
  readonly id: number;
  readonly #server: ServerEnd;
  readonly #events: RelayEvents;
  readonly #up: Way;
  readonly #down: Way;
  #client: ClientEnd | null = null;
  /** Bytes that were given to a machine which takes them behind other steps: its room counts them not yet. */
  #upLater = 0;
  #downLater = 0;
  /** The final head of the response has gone. */
  #hasAnswer = false;
  #isOver = false;
  #requestBytes = 0;
  #responseBytes = 0;

  constructor(server: ServerEnd, id: number, events: RelayEvents) {
    this.#server = server;
    this.id = id;
    this.#events = events;
    this.#up = new Way({
      isThere: () => this.#client !== null,
      room: () => (this.#client?.machine.room() ?? 0) - this.#upLater,
      isBlocked: () => this.#client?.driver.isBlocked !== false,
      isBusy: () => this.#client?.driver.isBusy !== false,
      give: (bytes) => this.#giveClient(bytes),
      end: (trailers) => this.#toClient(({ machine }) => machine.end(trailers)),
      pay: (count) => server.driver.call(() => server.machine.consumed(id, count)),
    });
    this.#down = new Way({
      isThere: () => true,
      room: () => server.machine.room(id) - this.#downLater,
      isBlocked: () => server.driver.isBlocked,
      isBusy: () => server.driver.isBusy,
      give: (bytes) => this.#giveServer(bytes),
      end: (trailers) => server.driver.call(() => server.machine.end(id, trailers)),
      pay: (count) => this.#toClient(({ machine }) => machine.consumed(count)),
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The end that answers, while there is one. */
  get client(): ClientEnd | null {
    return this.#client;
  }

  /** Nothing of the request's body has gone on, and no answer has begun. */
  get mayMove(): boolean {
    return !this.#up.hasGiven && !this.#hasAnswer;
  }

  /** Bytes of the bodies so far. */
  get bytes(): { readonly request: number; readonly response: number } {
    return { request: this.#requestBytes, response: this.#responseBytes };
  }

  /** Asks the end that answers, whose machine is free. Its steps come by `fromClient`. */
  attach(client: ClientEnd, head: HttpRequest): void {
    if (this.#isOver) return;
    this.#client = client;
    client.driver.call(() => client.machine.request(head));
    if (!this.#up.hasGiven) this.#up.restart();
    this.#up.flush();
  }

  /** Takes the request from the end that was to answer: another one gets it. */
  detach(): void {
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    client.driver.call(() => client.machine.reset("cancel"));
    client.driver.fail();
  }

  /** Answers in place of an end that answers. What comes of the request is dropped. */
  answer(head: HttpResponse, body: Uint8Array): void {
    if (this.#isOver) return;
    const { id } = this;
    const { driver, machine } = this.#server;
    this.#hasAnswer = true;
    this.#responseBytes += body.length;
    this.#events.passed?.("response", body);
    driver.call(() => machine.respond(id, head));
    if (body.length > 0) driver.call(() => machine.data(id, body));
    driver.call(() => machine.end(id, NONE));
    this.#end();
  }

  fromServer(step: FromServer): void {
    if (this.#isOver) return;
    switch (step.kind) {
      case "data":
        this.#requestBytes += step.bytes.length;
        this.#events.passed?.("request", step.bytes);
        return this.#up.take(step.bytes);
      case "end":
        return this.#up.finish(step.trailers);
      case "room":
        return this.#flushDown();
      case "reset":
        this.#toClient(({ machine }) => machine.reset("cancel"));
        // A message about it could wait behind a body that the other end does not read.
        this.#client?.driver.fail();
        return this.#end();
    }
  }

  fromClient(step: FromClient): void {
    if (this.#isOver) return;
    switch (step.kind) {
      case "response":
        return this.#respond(step.head);
      case "data":
        this.#responseBytes += step.bytes.length;
        this.#events.passed?.("response", step.bytes);
        return this.#down.take(step.bytes);
      case "end":
        this.#down.finish(step.trailers);
        if (this.#down.isDone) this.#end();
        return;
      case "room":
        return this.#up.flush();
      case "reset":
        return this.#failed(step.code, step.words);
    }
  }

  /** The stream of either end has taken what it was given. */
  idle(): void {
    if (this.#isOver) return;
    this.#up.flush();
    this.#flushDown();
  }

  /** The last bytes of an answer may have waited for room. */
  #flushDown(): void {
    this.#down.flush();
    if (this.#down.isDone) this.#end();
  }

  #respond(given: HttpResponse): void {
    const { driver, machine } = this.#server;
    const head = this.#events.respond?.(given) ?? given;
    if (head.status >= 200 || head.status === 101) this.#hasAnswer = true;
    driver.call(() => machine.respond(this.id, head));
  }

  #failed(code: ResetCode, words: string): void {
    this.#client = null;
    if (!this.#hasAnswer) {
      const mayRepeat = !this.#up.hasGiven;
      if (this.#events.failed({ code, words, mayRepeat })) return;
    }
    const { driver, machine } = this.#server;
    driver.call(() => machine.reset(this.id, code));
    this.#end();
  }

  #giveServer(bytes: Uint8Array): void {
    const { driver, machine } = this.#server;
    const isLater = driver.isBusy;
    this.#downLater += bytes.length;
    driver.call(() => {
      this.#downLater -= bytes.length;
      const steps = machine.data(this.id, bytes);
      // Whatever room it has left now was not seen before.
      if (isLater && !this.#isOver) this.#flushDown();
      return steps;
    });
  }

  #giveClient(bytes: Uint8Array): void {
    const isLater = this.#client?.driver.isBusy === true;
    const client = this.#client;
    this.#upLater += bytes.length;
    this.#toClient(({ machine }) => {
      this.#upLater -= bytes.length;
      const steps = machine.data(bytes);
      if (isLater && client === this.#client) this.#up.flush();
      return steps;
    });
  }

  #toClient(run: (client: ClientEnd) => ClientStep[]): void {
    const client = this.#client;
    if (client !== null) client.driver.call(() => run(client));
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#client = null;
    this.#events.over();
  }
}

const NONE: readonly Field[] = [];
