import type { ClientStep, HttpClientMachine, HttpServerMachine, ServerStep } from "./exchange.ts";
import { told } from "./steps_fixture.ts";

/** Where the bytes of both connections go, and lines about all else. */
export interface JoinEvents {
  toVisitor(bytes: Uint8Array): void;
  toTarget(bytes: Uint8Array): void;
  event(line: string): void;
}

/** Joins a server and client machines as a relay does, without a queue in between. */
export class Join {
  client: HttpClientMachine;
  readonly #server: HttpServerMachine;
  readonly #newClient: () => HttpClientMachine;
  readonly #events: JoinEvents;
  #id = 0;

  constructor(
    server: HttpServerMachine,
    newClient: () => HttpClientMachine,
    events: JoinEvents,
  ) {
    this.#server = server;
    this.#newClient = newClient;
    this.client = newClient();
    this.#events = events;
  }

  fromServer(steps: ServerStep[]): void {
    for (const step of steps) {
      switch (step.kind) {
        case "request":
          this.#id = step.id;
          if (!this.client.isFree) this.client = this.#newClient();
          this.fromClient(this.client.request(step.head));
          break;
        case "data":
          this.fromClient(this.client.data(step.bytes));
          this.#server.consumed(step.id, step.bytes.length);
          break;
        case "end":
          this.fromClient(this.client.end(step.trailers));
          break;
        case "reset":
          this.fromClient(this.client.reset(step.code));
          break;
        case "write":
          this.#events.toVisitor(step.bytes);
          break;
        default:
          this.#events.event(`visitor: ${told([step])[0]}`);
      }
    }
  }

  fromClient(steps: ClientStep[]): void {
    const server = this.#server;
    for (const step of steps) {
      switch (step.kind) {
        case "response":
          this.fromServer(server.respond(this.#id, step.head));
          break;
        case "data":
          this.fromServer(server.data(this.#id, step.bytes));
          this.client.consumed(step.bytes.length);
          break;
        case "end":
          this.fromServer(server.end(this.#id, step.trailers));
          break;
        case "reset":
          this.#events.event(`target: ${step.code}`);
          this.fromServer(server.reset(this.#id, step.code));
          break;
        case "write":
          this.#events.toTarget(step.bytes);
          break;
        default:
          this.#events.event(`target: ${told([step])[0]}`);
      }
    }
  }
}
