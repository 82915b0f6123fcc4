import { utf8 } from "../../../base/bytes.ts";
import { toLatin1 } from "../../../base/latin1.ts";
import type { ClientStep, HttpRequest, HttpResponse, ServerStep } from "../exchange.ts";
import type { Field } from "../fields.ts";
import { told } from "../steps_fixture.ts";
import { Http1Client } from "./client.ts";
import { crlf, lend } from "./http1_fixture.ts";
import { Http1Server } from "./server.ts";

/** A server machine whose steps are written down; texts have `\n` for CRLF. */
export class ServerTalk {
  readonly machine = new Http1Server({
    scheme: "https",
    makePage: (status, words) => ({
      fields: [{ name: "Content-Type", value: "text/plain" }],
      body: utf8(`${status} ${words}`),
    }),
  });

  client(text: string): string[] {
    return this.bytes(toLatin1(crlf(text)));
  }

  bytes(bytes: Uint8Array): string[] {
    return lend(bytes, (lent) => told(this.machine.feed(lent)));
  }

  respond(id: number, head: HttpResponse): string[] {
    return told(this.machine.respond(id, head));
  }

  data(id: number, text: string): string[] {
    return lend(toLatin1(text), (lent) => told(this.machine.data(id, lent)));
  }

  end(id: number, trailers: readonly Field[] = []): string[] {
    return told(this.machine.end(id, trailers));
  }

  /** A whole response, with its Content-Length. */
  answer(id: number, body = "ok"): string[] {
    const length = { name: "Content-Length", value: String(body.length) };
    const steps: ServerStep[] = [];
    steps.push(...this.machine.respond(id, responseWith(200, [length])));
    steps.push(...this.machine.data(id, toLatin1(body)));
    steps.push(...this.machine.end(id, []));
    return told(steps);
  }
}

function responseWith(status: number, fields: readonly Field[]): HttpResponse {
  return { status, reason: "", fields, upgrade: null };
}

/** A client machine, alike. */
export class ClientTalk {
  readonly machine = new Http1Client();

  request(head: HttpRequest): string[] {
    return told(this.machine.request(head));
  }

  data(text: string): string[] {
    return lend(toLatin1(text), (lent) => told(this.machine.data(lent)));
  }

  end(trailers: readonly Field[] = []): string[] {
    return told(this.machine.end(trailers));
  }

  server(text: string): string[] {
    return lend(toLatin1(crlf(text)), (lent) => told(this.machine.feed(lent)));
  }

  ended(how: "clean" | "reset" = "clean"): string[] {
    return told(this.machine.inputEnded(how));
  }
}

/**
 * Joins a server and a client machine as a relay does, and tells what each of their connections
 * gets. Nothing is held between the two.
 */
export class Relay {
  readonly server = new ServerTalk().machine;
  client = new Http1Client();
  toVisitor = "";
  toTarget = "";
  readonly events: string[] = [];
  #id = 0;

  visitor(text: string): this {
    lend(toLatin1(crlf(text)), (lent) => this.#fromServer(this.server.feed(lent)));
    return this;
  }

  target(text: string): this {
    lend(toLatin1(crlf(text)), (lent) => this.#fromClient(this.client.feed(lent)));
    return this;
  }

  targetEnded(how: "clean" | "reset" = "clean"): this {
    this.#fromClient(this.client.inputEnded(how));
    return this;
  }

  visitorEnded(how: "clean" | "reset" = "clean"): this {
    this.#fromServer(this.server.inputEnded(how));
    return this;
  }

  #fromServer(steps: ServerStep[]): void {
    for (const step of steps) {
      switch (step.kind) {
        case "request":
          this.#id = step.id;
          if (!this.client.isFree) this.client = new Http1Client();
          this.#fromClient(this.client.request(step.head));
          break;
        case "data":
          this.#fromClient(this.client.data(step.bytes));
          this.server.consumed(step.id, step.bytes.length);
          break;
        case "end":
          this.#fromClient(this.client.end(step.trailers));
          break;
        case "reset":
          this.#fromClient(this.client.reset(step.code));
          break;
        case "write":
          this.toVisitor += told([step])[0]!.slice("write: ".length);
          break;
        default:
          this.events.push(`visitor: ${told([step])[0]}`);
      }
    }
  }

  #fromClient(steps: ClientStep[]): void {
    for (const step of steps) {
      switch (step.kind) {
        case "response":
          this.#fromServer(this.server.respond(this.#id, step.head));
          break;
        case "data":
          this.#fromServer(this.server.data(this.#id, step.bytes));
          this.client.consumed(step.bytes.length);
          break;
        case "end":
          this.#fromServer(this.server.end(this.#id, step.trailers));
          break;
        case "reset":
          this.events.push(`target: ${step.code}`);
          this.#fromServer(this.server.reset(this.#id, step.code));
          break;
        case "write":
          this.toTarget += told([step])[0]!.slice("write: ".length);
          break;
        default:
          this.events.push(`target: ${told([step])[0]}`);
      }
    }
  }
}
