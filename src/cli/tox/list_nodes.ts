import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { formatAddr } from "../../base/addr.ts";
import { joinNodes, parseNodeList, type ToxPlace } from "../../core/tox/node_list.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { requirePermissions } from "../platform/permissions.ts";
import { ageOf, keepNodes, MOST_LIST_BYTES, readKeptNodes } from "./find_nodes.ts";
import { NODES, NODES_AT } from "./nodes.ts";
import type { ToxNodesFlags } from "./options.ts";

/** Milliseconds for the whole list. */
const FETCH_MS = 30_000;

/** Prints the nodes by which the network is found, and fetches others before. @throws {TtunError} */
export async function runToxNodes(
  { update, from }: ToxNodesFlags,
  { signal, log }: RunContext,
): Promise<number> {
  if (update) {
    const text = await fetchList(from, signal);
    const count = parseNodeList(text).length;
    const why = keepNodes(text);
    if (why !== null) throw new TtunError("usage", `Cannot keep the list of Tox nodes: ${why}`);
    log.info("fetched a list of Tox nodes", { from, nodes: count });
  }
  const kept = readKeptNodes(log);
  const lines = [
    ...(kept === null ? [] : [listLine("the kept list", kept)]),
    listLine("the list in ttun", { places: NODES, at: NODES_AT }),
    ...joinNodes(kept?.places ?? [], NODES).map(nodeLine),
  ];
  await print(`${lines.join("\n")}\n`, signal);
  return 0;
}

function listLine(
  name: string,
  { places, at }: { readonly places: readonly ToxPlace[]; readonly at: number },
): string {
  const date = new Date(at).toISOString().slice(0, 10);
  return `# ${name}: ${places.length} nodes, of ${date}, ${ageOf(at)} days old`;
}

/** Such as `203.0.113.1:33445 KEY relays 443,3389`. */
function nodeLine(place: ToxPlace): string {
  const relays = place.relayPorts.length === 0
    ? "no relay"
    : `relays ${place.relayPorts.join(",")}`;
  return `${formatAddr(place)} ${toHex(place.publicKey).toUpperCase()} ${relays}`;
}

/** @throws {TtunError} unreachable, usage, privilege */
async function fetchList(url: string, signal: AbortSignal): Promise<string> {
  requirePermissions([
    {
      permission: { name: "net", host: new URL(url).host },
      purpose: "fetch the list of Tox nodes",
    },
  ]);
  const cannot = (why: string, cause?: unknown) =>
    new TtunError("unreachable", `Cannot fetch the list of Tox nodes from ${url}: ${why}`, {
      cause,
    });
  const life = AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]);
  try {
    const response = await fetch(url, { signal: life });
    if (!response.ok) {
      await response.body?.cancel();
      throw cannot(`the answer is ${response.status}`);
    }
    return await readText(response, () => cannot("it is too long for a list"));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TtunError) throw error;
    if (life.aborted) throw cannot(`no answer within ${FETCH_MS / 1000} s`);
    throw cannot(error instanceof Error ? error.message : String(error), error);
  }
}

async function readText(response: Response, tooLong: () => TtunError): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    if (bytes > MOST_LIST_BYTES) throw tooLong();
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}
