/** Where releases are downloaded from: a folder over HTTP, on this machine. */

export interface ReleaseServer extends AsyncDisposable {
  readonly url: string;
  /** The paths that were asked for. */
  readonly asked: readonly string[];
}

export interface ServerOptions {
  /** The name of what is sent without an end. */
  readonly stalls?: string;
  /** Where every question is sent on to. */
  readonly redirectsTo?: string;
  /** The name of what ends after a thousand bytes. */
  readonly cuts?: string;
}

export function serveFolder(folder: string, o: ServerOptions = {}): ReleaseServer {
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const path = new URL(request.url).pathname;
    asked.push(path);
    const name = path.slice(1);
    if (o.redirectsTo !== undefined) return Response.redirect(`${o.redirectsTo}${path}`);
    if (name === o.stalls) return new Response(beginning(false));
    if (name === o.cuts) return new Response(beginning(true));
    const file = open(`${folder}${path}`);
    return file === null
      ? new Response("Not found", { status: 404 })
      : new Response(file.readable, { headers: { "content-length": `${file.statSync().size}` } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A body that ends too early, or never goes on. */
function beginning(ends: boolean): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(1000));
      if (ends) controller.close();
    },
  });
}

function open(path: string): Deno.FsFile | null {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
