import { TtunError } from "../../base/errors.ts";
import type { AcmeAnswer, AcmeTransport } from "../../contract/issuer.ts";
import { fetchFailure } from "../deno_errors.ts";

/** Milliseconds for an answer, and bytes of the longest one. */
const ANSWER_MS = 30_000;
const MOST_BYTES = 128 * 1024;

/** Header fields that are read. */
const FIELDS = ["location", "replay-nonce", "retry-after"] as const;

/** Asks an authority by Deno's fetch. */
export class FetchTransport implements AcmeTransport, Disposable {
  readonly #client: Deno.HttpClient;
  readonly #agent: string;

  /** `ca`: trusted authorities of its web server in PEM; null = the system's. */
  constructor({ ca, agent }: { readonly ca: string | null; readonly agent: string }) {
    this.#client = Deno.createHttpClient(ca === null ? {} : { caCerts: [ca] });
    this.#agent = agent;
  }

  async send(
    { method, url, body }: { method: "GET" | "HEAD" | "POST"; url: string; body: string | null },
    signal: AbortSignal,
  ): Promise<AcmeAnswer> {
    const late = new AbortController();
    // AbortSignal.timeout() would hold on to the request for all of that time.
    const timer = setTimeout(() => late.abort(), ANSWER_MS);
    try {
      const response = await fetch(url, {
        method,
        body,
        client: this.#client,
        redirect: "manual", // a signed request is for one address alone
        signal: AbortSignal.any([signal, late.signal]),
        headers: {
          "user-agent": this.#agent,
          ...(body !== null && { "content-type": "application/jose+json" }),
        },
      });
      const fields: Record<string, string> = {};
      for (const name of FIELDS) {
        const value = response.headers.get(name);
        if (value !== null) fields[name] = value;
      }
      return { status: response.status, fields, text: await textOf(response) };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TtunError) throw error;
      const { host } = new URL(url);
      const why = late.signal.aborted ? "it does not answer" : fetchFailure(error);
      throw new TtunError(
        "unreachable",
        `Cannot ask the certificate authority at ${host}: ${why}`,
        {
          cause: error,
        },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** @throws {TtunError} protocol, for too long a one */
async function textOf(response: Response): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for await (const bytes of response.body) {
    size += bytes.length;
    if (size > MOST_BYTES) {
      throw new TtunError("protocol", "The certificate authority's answer is too long");
    }
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}
