import { decodeBase64Url } from "../../base/base64url.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { print, printBytes } from "../output/stdout.ts";
import { readBounded } from "../secrets/read_bounded.ts";
import { abortable } from "../../base/scope.ts";
import { type ApiAnswer, type ApiClient, apiClient, refusalOf } from "./api_client.ts";
import type { MeshKvFlags } from "./options.ts";
import { readEvents } from "./read_events.ts";

/** Bytes of a value from standard input: longer ones are refused by the node anyway. */
const MOST = 1024 * 1024;

/** Exit codes of `get` where there is no such key, and of writes whose condition does not hold. */
const ABSENT = 1;
const UNMET = 1;

/** Reads and writes keys by a running node. @throws {TtunError} */
export async function runMeshKv(options: MeshKvFlags, context: RunContext): Promise<number> {
  const [verb, key = "", ...rest] = options.words;
  const client = await apiClient(options, context);
  const isComplete = verb === "list" || verb === "watch" || key !== "";
  if (isComplete && rest.length <= (verb === "put" ? 1 : 0)) {
    switch (verb) {
      case "get":
        return await get(client, key, options, context);
      case "put":
        return await put(client, key, rest[0], options, context);
      case "del":
        return await del(client, key, options, context);
      case "list":
        return await list(client, key, options, context);
      case "watch":
        return await watch(client, key, options, context);
    }
  }
  throw new TtunError(
    "usage",
    "Cannot do this: write get KEY, put KEY VALUE, del KEY, list PREFIX or watch PREFIX behind " +
      "ttun mesh kv",
  );
}

async function get(
  client: ApiClient,
  key: string,
  { json }: MeshKvFlags,
  { signal }: RunContext,
): Promise<number> {
  const answer = await client.call("GET", pathOf(key));
  if (answer.status === 404) return ABSENT;
  if (answer.status !== 200) throw refusalOf(answer);
  if (!json) {
    await printBytes(answer.body, signal);
    return 0;
  }
  const version = versionOf(answer.headers["etag"]);
  await print(`${JSON.stringify({ key, value: textOf(answer.body), version })}\n`, signal);
  return 0;
}

async function put(
  client: ApiClient,
  key: string,
  value: string | undefined,
  { ttl, ifVersion }: MeshKvFlags,
  context: RunContext,
): Promise<number> {
  const body = value === undefined ? await standardInput(context) : utf8(value);
  const query = ttl === undefined ? "" : `?ttl=${encodeURIComponent(ttl)}`;
  const answer = await client.call("PUT", pathOf(key) + query, {
    body,
    headers: conditionOf(ifVersion),
  });
  return written(answer, context);
}

async function del(
  client: ApiClient,
  key: string,
  { ifVersion }: MeshKvFlags,
  context: RunContext,
): Promise<number> {
  const answer = await client.call("DELETE", pathOf(key), { headers: conditionOf(ifVersion) });
  return written(answer, context);
}

/** Returns the exit code. @throws {TtunError} */
function written(answer: ApiAnswer, { log }: RunContext): number {
  if (answer.status === 204) return 0;
  const refusal = refusalOf(answer);
  if (answer.status !== 412) throw refusal;
  log.error(refusal.message);
  return UNMET;
}

interface Page {
  readonly entries: readonly {
    readonly key: string;
    readonly value: string;
    readonly version: string;
    readonly expiresInMs?: number;
  }[];
  readonly next?: string;
}

async function list(
  client: ApiClient,
  prefix: string,
  { json }: MeshKvFlags,
  { signal }: RunContext,
): Promise<number> {
  let after = "";
  for (;;) {
    const path = `/v1/kv/${encodedPath(prefix.replace(/\/?$/, "/").replace(/^\/$/, ""))}`;
    const query = `?limit=500${after === "" ? "" : `&after=${encodeURIComponent(after)}`}`;
    const page = await client.json<Page>("GET", path + query);
    const lines = page.entries.map(({ key, value, ...rest }) =>
      json
        ? JSON.stringify({ key, value: textOf(decodeBase64Url(value) ?? utf8("")), ...rest })
        : key
    );
    await print(lines.map((line) => `${line}\n`).join(""), signal);
    if (page.next === undefined) return 0;
    after = page.next;
  }
}

async function watch(
  client: ApiClient,
  prefix: string,
  { json }: MeshKvFlags,
  { signal }: RunContext,
): Promise<number> {
  for await (
    const { event, data } of readEvents(client.stream(`/v1/watch/${encodedPath(prefix)}`))
  ) {
    const change = JSON.parse(data) as { key?: string; value?: string; error?: string };
    if (event === "error") throw new TtunError("lost", `The watch has ended: ${change.error}`);
    const value = change.value === undefined
      ? undefined
      : textOf(decodeBase64Url(change.value) ?? utf8(""));
    const line = json
      ? JSON.stringify({ event, ...change, ...(value !== undefined && { value }) })
      : [event, change.key, value].filter((word) => word !== undefined).join(" ");
    await print(`${line}\n`, signal);
  }
  signal.throwIfAborted();
  throw new TtunError("lost", "The node has ended the watch");
}

function conditionOf(version: string | undefined): Record<string, string> {
  if (version === undefined) return {};
  return version === "absent" ? { "if-none-match": "*" } : { "if-match": `"${version}"` };
}

function versionOf(etag: string | undefined): string {
  return (etag ?? "").replaceAll('"', "");
}

function pathOf(key: string): string {
  return `/v1/kv/${encodedPath(key)}`;
}

function encodedPath(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function standardInput({ signal }: RunContext): Promise<Uint8Array> {
  const bytes = await abortable(readBounded(Deno.stdin, MOST), signal);
  if (bytes !== null) return bytes;
  throw new TtunError("usage", "Cannot write the value: standard input has more than 1 MiB");
}
