import { formatAddr, type HostPort } from "../../base/addr.ts";
import { denoNetError } from "../net/deno_net_error.ts";
import { removeIfThere } from "../files/present.ts";

/** Answers a request. `isOwner`: it came over the unix socket, which its owner alone can open. */
export type AnswerRequest = (request: Request, isOwner: boolean) => Promise<Response>;

/** Serves HTTP on a unix socket, or on an address of this machine. */
export class ApiServer implements AsyncDisposable {
  /** For the log. */
  readonly at: string;
  readonly #server: Deno.HttpServer;
  readonly #stop = new AbortController();
  readonly #path: string | null;

  /** @throws {TtunError} in_use, privilege */
  constructor(at: { readonly path: string } | HostPort, answer: AnswerRequest) {
    const isOwner = "path" in at;
    const common = {
      signal: this.#stop.signal,
      onListen: () => {}, // it would print a line
      onError: () => new Response(null, { status: 500 }),
    };
    const handler = (request: Request) => answer(request, isOwner);
    this.#path = isOwner ? at.path : null;
    try {
      if (isOwner) {
        removeIfThere(at.path); // left by a node that was killed
        this.#server = Deno.serve({ ...common, path: at.path }, handler);
        Deno.chmodSync(at.path, 0o600);
        this.at = at.path;
      } else {
        const server = Deno.serve({ ...common, hostname: at.host, port: at.port }, handler);
        this.#server = server;
        this.at = formatAddr({ host: server.addr.hostname, port: server.addr.port });
      }
    } catch (error) {
      throw denoNetError(error, "listen", at);
    }
  }

  /** Requests that are open are cut off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#server.finished;
    if (this.#path !== null) removeIfThere(this.#path);
  }
}
