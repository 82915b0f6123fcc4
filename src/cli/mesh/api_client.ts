import { withoutControls } from "../../base/without_controls.ts";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { formatAddr, type HostPort } from "../../base/addr.ts";
import { concat } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { readVariable } from "../platform/variables.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import { apiSocket } from "./api_socket.ts";
import { nodeFolder } from "./node_folder.ts";
import type { AskFlags } from "./options.ts";

const TOKEN: SecretKind = { file: "token file", question: "Token: " };
const VARIABLE = "TTUN_MESH_TOKEN";

/** Bytes of the longest answer. */
const MOST = 8 * 1024 * 1024;

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Uint8Array;
}

export interface ApiCall {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** Speaks with a running node by its HTTP API. */
export class ApiClient {
  readonly #at: { readonly socketPath: string } | HostPort;
  readonly #token: string | null;
  readonly #signal: AbortSignal;

  constructor(at: { socketPath: string } | HostPort, token: string | null, signal: AbortSignal) {
    this.#at = at;
    this.#token = token;
    this.#signal = signal;
  }

  /** @throws {TtunError} unreachable, if no node runs there */
  async call(method: string, path: string, o: ApiCall = {}): Promise<ApiAnswer> {
    const response = await this.#send(method, path, o);
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of this.#parts(response)) {
      size += part.length;
      if (size > MOST) throw new TtunError("protocol", "The node's answer is too long");
      parts.push(part);
    }
    return { status: response.statusCode ?? 0, headers: response.headers, body: concat(...parts) };
  }

  /** Calls, and returns JSON of an answer that is no refusal. @throws {TtunError} */
  async json<T>(method: string, path: string, o: ApiCall = {}): Promise<T> {
    const answer = await this.call(method, path, o);
    if (answer.status >= 400) throw refusalOf(answer);
    return JSON.parse(new TextDecoder().decode(answer.body)) as T;
  }

  /** Returns an answer's bytes as they come. @throws {TtunError} */
  async *stream(path: string): AsyncGenerator<Uint8Array> {
    const response = await this.#send("GET", path, {});
    if (response.statusCode !== 200) {
      const parts: Uint8Array[] = [];
      for await (const part of this.#parts(response)) parts.push(part);
      const status = response.statusCode ?? 0;
      throw refusalOf({ status, headers: response.headers, body: concat(...parts) });
    }
    yield* this.#parts(response);
  }

  /** @throws the signal's reason; {TtunError} unreachable, if the node ends in the middle */
  async *#parts(response: IncomingMessage): AsyncGenerator<Uint8Array> {
    try {
      for await (const part of response) yield new Uint8Array(part);
    } catch (error) {
      this.#signal.throwIfAborted();
      throw new TtunError("unreachable", "The node has ended in the middle of its answer", {
        cause: error,
      });
    }
  }

  async #send(method: string, path: string, o: ApiCall): Promise<IncomingMessage> {
    const at = this.#at;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = httpRequest({
      ...("socketPath" in at ? at : { host: at.host, port: at.port }),
      method,
      path,
      signal: this.#signal,
      headers: {
        ...o.headers,
        ...(this.#token !== null && { authorization: `Bearer ${this.#token}` }),
        ...(o.body !== undefined && { "content-length": String(o.body.length) }),
      },
    }, resolve);
    sent.on("error", reject);
    sent.end(o.body);
    try {
      return await promise;
    } catch (error) {
      this.#signal.throwIfAborted();
      throw unreachable(at, error);
    }
  }
}

/** @throws {TtunError} usage */
export async function apiClient(options: AskFlags, context: RunContext): Promise<ApiClient> {
  const { api, tokenFile, data } = options;
  const { env } = denoKeyEnvironment;
  const ofEnvironment = readVariable(VARIABLE);
  if (ofEnvironment !== undefined) env.forget(VARIABLE);
  if (api === undefined) {
    return new ApiClient({ socketPath: apiSocket(nodeFolder(data)) }, null, context.signal);
  }
  const token = tokenFile === undefined
    ? ofEnvironment
    : new TextDecoder().decode(await readSecretFile(tokenFile, TOKEN, context, denoKeyEnvironment));
  if (token === undefined || token === "") {
    throw new TtunError(
      "usage",
      `There is no token for ${formatAddr(api)}: give it by --token-file or ${VARIABLE}`,
    );
  }
  return new ApiClient(api, token.trim(), context.signal);
}

/** Returns the error that an answer tells. */
export function refusalOf(
  { status, body }: Pick<ApiAnswer, "status" | "body" | "headers">,
): TtunError {
  const kind = status === 401 || status === 403
    ? "auth"
    : status === 503
    ? "unreachable"
    : status === 429
    ? "exhausted"
    : status === 409
    ? "busy"
    : "usage";
  return new TtunError(kind, `The node answers: ${wordsOf(body) ?? `status ${status}`}`);
}

function wordsOf(body: Uint8Array): string | null {
  try {
    const { error } = JSON.parse(new TextDecoder().decode(body)) as { error?: unknown };
    return typeof error === "string" ? withoutControls(error) : null;
  } catch {
    return null; // it is no answer of ttun's
  }
}

function unreachable(at: { readonly socketPath: string } | HostPort, cause: unknown): TtunError {
  const code = (cause as { code?: string }).code;
  if ("socketPath" in at) {
    const denied = code === "EACCES" || code === "EPERM";
    return new TtunError(
      denied ? "privilege" : "unreachable",
      denied
        ? `Cannot ask the node at ${at.socketPath}: it belongs to another user`
        : `No node runs in ${
          at.socketPath.replace(/\/[^/]*$/, "")
        }: start it by ttun mesh node, or ` +
          "name another folder by --data",
      { cause },
    );
  }
  return new TtunError("unreachable", `No node answers at ${formatAddr(at)}`, { cause });
}
