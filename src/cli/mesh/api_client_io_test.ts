import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { TtunError } from "../../base/errors.ts";
import { ApiClient } from "./api_client.ts";

/** A node whose answers begin, and end only when the test says. */
function slowNode(): { at: { host: string; port: number }; end(): Promise<void> } {
  const ended = Promise.withResolvers<void>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("begun"));
        await ended.promise;
        controller.error(new Error("The test ends the answer here"));
      },
    });
    return new Response(body);
  });
  const { hostname, port } = server.addr as Deno.NetAddr;
  return {
    at: { host: hostname, port },
    end: async () => {
      ended.resolve();
      await server.shutdown();
    },
  };
}

test("an answer that is waited for ends with the signal's reason", async () => {
  const node = slowNode();
  const stop = new AbortController();
  const reason = new Error("told to stop");
  const stream = new ApiClient(node.at, null, stop.signal).stream("/v1/watch/kv/app/");
  assert.equal(new TextDecoder().decode((await stream.next()).value), "begun");
  const next = stream.next();
  stop.abort(reason);
  await assert.rejects(next, (error) => error === reason);
  await node.end();
});

test("a node that ends in the middle of an answer is not reached", async () => {
  const node = slowNode();
  const client = new ApiClient(node.at, null, new AbortController().signal);
  const stream = client.stream("/v1/watch/kv/app/");
  await stream.next();
  const next = assert.rejects(
    stream.next(),
    (error) => error instanceof TtunError && error.kind === "unreachable",
  );
  await node.end();
  await next;
});
