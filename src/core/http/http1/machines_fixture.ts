import { utf8 } from "../../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import type { HttpClientMachine, HttpRequest, HttpResponse, ServerStep } from "../exchange.ts";
import type { Field } from "../fields.ts";
import { Join } from "../join_fixture.ts";
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

/** An `Http1Server` and `Http1Client`s, joined, which tell what each of their connections gets. */
export class Relay {
  readonly server = new ServerTalk().machine;
  toVisitor = "";
  toTarget = "";
  readonly events: string[] = [];
  readonly #join = new Join(this.server, () => new Http1Client(), {
    toVisitor: (bytes) => void (this.toVisitor += textOf(bytes)),
    toTarget: (bytes) => void (this.toTarget += textOf(bytes)),
    event: (line) => void this.events.push(line),
  });

  get client(): HttpClientMachine {
    return this.#join.client;
  }

  visitor(text: string): this {
    lend(toLatin1(crlf(text)), (lent) => this.#join.fromServer(this.server.feed(lent)));
    return this;
  }

  target(text: string): this {
    lend(toLatin1(crlf(text)), (lent) => this.#join.fromClient(this.client.feed(lent)));
    return this;
  }

  targetEnded(how: "clean" | "reset" = "clean"): this {
    this.#join.fromClient(this.client.inputEnded(how));
    return this;
  }

  visitorEnded(how: "clean" | "reset" = "clean"): this {
    this.#join.fromServer(this.server.inputEnded(how));
    return this;
  }
}

function textOf(bytes: Uint8Array): string {
  return fromLatin1(bytes).replaceAll("\r\n", "\n");
}
