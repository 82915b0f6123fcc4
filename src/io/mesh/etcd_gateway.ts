import { TtunError } from "../../base/errors.ts";
import { GatewayError, GRPC, type JsonGateway } from "../../contract/json_gateway.ts";
import { fetchFailure, isConnectFailure } from "../deno_errors.ts";

/** Milliseconds for an answer; a watch has them for its beginning. */
const ANSWER_MS = 5_000;

/** Bytes of one message of a watch. */
const MAX_LINE = 64 << 20;

export interface EtcdOptions {
  /** `http://HOST:PORT` or `https://HOST:PORT`: any members of the cluster. */
  readonly endpoints: readonly string[];
  /** Its JSON gateway knows no login by the name in a certificate. */
  readonly login?: { readonly name: string; readonly password: string };
  /** PEM; instead of the system's. */
  readonly ca?: string;
  /** PEM, for members that want one of their clients. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** Milliseconds for an answer. */
  readonly answerMs?: number;
}

/** The JSON gateway of an etcd cluster: asks the member that answered last, else the next one. */
export class EtcdGateway implements JsonGateway {
  readonly #options: EtcdOptions;
  readonly #client: Deno.HttpClient;
  readonly #answerMs: number;
  #member = 0;
  #token: string | null = null;
  #isClosed = false;

  constructor(options: EtcdOptions) {
    this.#options = options;
    this.#answerMs = options.answerMs ?? ANSWER_MS;
    this.#client = Deno.createHttpClient({
      ...options.ca === undefined ? {} : { caCerts: [options.ca] },
      ...options.certificate ?? {},
    });
  }

  async post(path: string, body: unknown, { signal }: { signal: AbortSignal }): Promise<unknown> {
    const response = await this.#open(path, body, signal, AbortSignal.timeout(this.#answerMs));
    const text = await this.#told(signal, () => response.text());
    // Calls that stream answer with a line for each message: of these one comes.
    return parse(text.split("\n", 1)[0]!);
  }

  async *stream(
    path: string,
    body: unknown,
    { signal }: { signal: AbortSignal },
  ): AsyncIterable<unknown> {
    const end = new AbortController();
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.#answerMs);
    try {
      const response = await this.#open(
        path,
        body,
        AbortSignal.any([signal, end.signal]),
        late.signal,
      );
      clearTimeout(timer);
      let rest = "";
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await this.#told(signal, () => reader.read());
        if (done) return;
        const lines = (rest + value).split("\n");
        rest = lines.pop()!;
        if (rest.length > MAX_LINE) {
          throw new GatewayError(GRPC.resourceExhausted, "a message of a watch is too long");
        }
        for (const line of lines) if (line !== "") yield parse(line);
      }
    } finally {
      clearTimeout(timer);
      end.abort();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) this.#client.close();
    this.#isClosed = true;
    return Promise.resolve();
  }

  /** Has a call answered by one of the members, logged in. */
  async #open(
    path: string,
    body: unknown,
    signal: AbortSignal,
    late: AbortSignal,
  ): Promise<Response> {
    const { login } = this.#options;
    if (login !== undefined) this.#token ??= await this.#logIn(login, signal, late);
    try {
      return await this.#ask(path, body, signal, late);
    } catch (error) {
      const isStale = error instanceof GatewayError && error.code === GRPC.unauthenticated;
      if (!isStale || login === undefined) throw error;
      this.#token = null; // etcd forgets tokens after five minutes
      this.#token = await this.#logIn(login, signal, late);
      return await this.#ask(path, body, signal, late);
    }
  }

  async #logIn(
    { name, password }: { name: string; password: string },
    signal: AbortSignal,
    late: AbortSignal,
  ): Promise<string> {
    try {
      const response = await this.#ask("/v3/auth/authenticate", { name, password }, signal, late);
      const answer = parse(await this.#told(signal, () => response.text()));
      return (answer as { token?: string }).token ?? "";
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== GRPC.invalidArgument) throw error;
      throw new GatewayError(GRPC.permissionDenied, error.message, { isUnsent: true });
    }
  }

  async #ask(
    path: string,
    body: unknown,
    signal: AbortSignal,
    late: AbortSignal,
  ): Promise<Response> {
    const { endpoints } = this.#options;
    let failure: unknown;
    for (let tries = 0; tries < endpoints.length; tries++) {
      const url = `${endpoints[this.#member % endpoints.length]}${path}`;
      let response: Response;
      try {
        response = await this.#fetch(url, body, AbortSignal.any([signal, late]));
      } catch (error) {
        signal.throwIfAborted();
        if (this.#isClosed) throw error;
        failure = error;
        this.#member++;
        if (late.aborted) break;
        if (!isConnectFailure(error)) break; // it may have been done: the caller decides
        continue;
      }
      if (response.ok) return response;
      throw await this.#refusal(response, signal);
    }
    throw new GatewayError(GRPC.unavailable, `no member answers: ${fetchFailure(failure)}`, {
      isUnsent: !late.aborted && isConnectFailure(failure),
      cause: failure,
    });
  }

  #fetch(url: string, body: unknown, signal: AbortSignal): Promise<Response> {
    return fetch(url, {
      method: "POST",
      client: this.#client,
      signal,
      headers: {
        "content-type": "application/json",
        ...this.#token === null ? {} : { authorization: this.#token },
      },
      body: JSON.stringify(body),
    });
  }

  async #refusal(response: Response, signal: AbortSignal): Promise<GatewayError> {
    const text = await this.#told(signal, () => response.text());
    let told: { code?: number; message?: string } = {};
    try {
      told = JSON.parse(text);
    } catch {
      // No gateway of etcd: its status tells more than its words.
    }
    if (typeof told.code === "number") {
      return new GatewayError(told.code, told.message ?? "refused");
    }
    return new GatewayError(
      GRPC.unavailable,
      `${new URL(response.url).host} answers ${response.status}: is it etcd 3.4 or later?`,
    );
  }

  /** A connection that breaks while its answer is read is an answer that did not come. */
  async #told<T>(signal: AbortSignal, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      signal.throwIfAborted();
      throw new GatewayError(GRPC.unavailable, `the answer broke off: ${fetchFailure(error)}`, {
        cause: error,
      });
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError(GRPC.unavailable, "the answer is not JSON", { cause });
  }
}

/** `etcd://HOST:PORT,HOST:PORT/PREFIX`, with TLS `etcds://`. @throws {TtunError} usage */
export function parseEtcdUrl(url: string): { endpoints: string[]; prefix: string } {
  const [, scheme, hosts, path] = /^(etcds?):\/\/([^/?#@]+)(?:\/([^?#]*))?$/.exec(url) ?? [];
  if (scheme === undefined || hosts === undefined || hosts.split(",").includes("")) {
    throw new TtunError(
      "usage",
      `${url} names no etcd: write etcd://HOST:2379 or etcds://HOST:2379, or several with commas`,
    );
  }
  const http = scheme === "etcds" ? "https" : "http";
  const prefix = path === undefined || path === "" ? "ttun/" : `${path.replace(/\/+$/, "")}/`;
  return { endpoints: hosts.split(",").map((host) => `${http}://${withPort(host)}`), prefix };
}

function withPort(host: string): string {
  return /:\d+$/.test(host) ? host : `${host}:2379`;
}
