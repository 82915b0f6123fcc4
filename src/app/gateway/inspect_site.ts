import { utf8 } from "../../base/bytes.ts";
import type { HttpRequest } from "../../core/http/exchange.ts";
import { type Field, valuesOf } from "../../core/http/fields.ts";
import type { InspectDoor } from "../../core/gateway/inspect/door.ts";
import { PAGE, PAGE_POLICY } from "../../core/gateway/inspect/page.ts";
import type { ExchangeRecords, RecordedExchange } from "../../core/gateway/inspect/records.ts";
import { detailOf, mayReplay } from "../../core/gateway/inspect/shown.ts";
import type { Page } from "./upstream.ts";

export interface InspectSiteOptions {
  readonly door: InspectDoor;
  readonly records: ExchangeRecords;
  /** Sends the request of an exchange to its service again. Returns false if that is gone. */
  readonly replay: (exchange: RecordedExchange) => boolean;
}

/** An answer, or the list of exchanges as it changes, as a stream of events. */
export type InspectAnswer = Page | "events";

/** Answers the requests for an agent's page and for all that it shows. */
export class InspectSite {
  readonly #o: InspectSiteOptions;

  constructor(o: InspectSiteOptions) {
    this.#o = o;
  }

  answer(head: HttpRequest): InspectAnswer {
    const entry = this.#o.door.judge(head);
    if (entry.kind === "refuse") return plain(entry.status, entry.words);
    if (entry.kind === "enter") {
      const fields = [
        { name: "Location", value: entry.to },
        { name: "Set-Cookie", value: entry.cookie },
      ];
      return page(303, "text/plain; charset=utf-8", utf8("It is there.\n"), fields);
    }
    const { method } = head;
    if (method !== "GET" && method !== "POST") return plain(405, "There is GET and POST alone.");
    const { path, query } = entry;
    if (path === "" && method === "GET") return html();
    if (path === "events" && method === "GET") return "events";
    const [, id, part = ""] = /^exchanges\/([1-9][0-9]{0,14})(?:\/([a-z]+))?$/.exec(path) ?? [];
    const exchange = id === undefined ? null : this.#o.records.get(Number(id));
    if (exchange === null) return plain(404, "It is not there, or not remembered any more.");
    if (method === "POST") return this.#post(part, exchange, head);
    switch (part) {
      case "":
        return this.#detail(exchange, query === "secrets=1");
      case "request":
        return bytes(exchange.requestBody.bytes());
      case "response":
        return bytes(exchange.responseBody.bytes());
      default:
        return plain(404, "There is nothing of that name.");
    }
  }

  #detail(exchange: RecordedExchange, withSecrets: boolean): Page {
    const detail = detailOf(exchange, { withSecrets, nonce: this.#o.door.giveNonce() });
    return page(200, "application/json", utf8(JSON.stringify(detail)));
  }

  #post(part: string, exchange: RecordedExchange, { fields }: HttpRequest): Page {
    if (part !== "replay") return plain(404, "There is nothing of that name.");
    const [nonce = ""] = valuesOf(fields, "ttun-nonce");
    if (!this.#o.door.takeNonce(nonce)) return plain(403, "Try again: the page was too old.");
    if (!mayReplay(exchange)) {
      return plain(409, "This request cannot be sent again: not all of it was kept.");
    }
    if (!this.#o.replay(exchange)) return plain(409, "Its service is not published any more.");
    return plain(200, "It was sent again.");
  }
}

/** Fields of every answer. */
const GUARDS: readonly Field[] = [
  { name: "Cache-Control", value: "no-store" },
  { name: "X-Content-Type-Options", value: "nosniff" },
  { name: "X-Frame-Options", value: "DENY" },
  { name: "Referrer-Policy", value: "no-referrer" },
  { name: "Cross-Origin-Resource-Policy", value: "same-origin" },
  { name: "Cross-Origin-Opener-Policy", value: "same-origin" },
];

/** Nothing in it runs or is loaded, whatever a browser takes it for. */
const NOTHING_RUNS: Field = {
  name: "Content-Security-Policy",
  value: "default-src 'none'; sandbox",
};

/** The head of a stream of events. */
export const EVENTS_HEAD: Page["head"] = {
  status: 200,
  reason: "OK",
  fields: [{ name: "Content-Type", value: "text/event-stream" }, NOTHING_RUNS, ...GUARDS],
  upgrade: null,
};

function html(): Page {
  const policy = { name: "Content-Security-Policy", value: PAGE_POLICY };
  return page(200, "text/html; charset=utf-8", utf8(PAGE), [policy]);
}

function plain(status: number, words: string): Page {
  return page(status, "text/plain; charset=utf-8", utf8(`${words}\n`));
}

function bytes(body: Uint8Array): Page {
  const fields = [{ name: "Content-Disposition", value: "attachment" }, NOTHING_RUNS];
  return page(200, "application/octet-stream", body, fields);
}

function page(
  status: number,
  type: string,
  body: Uint8Array,
  more: readonly Field[] = [NOTHING_RUNS],
): Page {
  const fields = [
    { name: "Content-Type", value: type },
    { name: "Content-Length", value: String(body.length) },
    ...more,
    ...GUARDS,
  ];
  return { head: { status, reason: "", fields, upgrade: null }, body };
}
