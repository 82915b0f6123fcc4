import { readStore, writeStore } from "../../app/mesh/store/store_copy.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { CoreState } from "../../contract/mesh_disk.ts";
import { openUnderKey, saltOf } from "../../core/mesh/admission/sealed_authority.ts";
import { exportCore, parseCoreExport } from "../../core/mesh/core/core_export.ts";
import { restoredCore } from "../../core/mesh/core/core_state.ts";
import { isSealedBackup, openBackup } from "../../core/mesh/core/sealed_backup.ts";
import { nodeIdOf } from "../../core/mesh/node_id.ts";
import { ed25519Signer } from "../../io/crypto/ed25519.ts";
import { sharedSecret } from "../../io/crypto/x25519.ts";
import { writeNew } from "../../io/files/new_file.ts";
import { isThere } from "../../io/files/present.ts";
import { openCoreFile } from "../../io/mesh/core_file.ts";
import { activateCore, putPendingCore } from "../../io/mesh/pending_core.ts";
import { DenoClock } from "../../io/reactor/deno_clock.ts";
import type { RunContext } from "../command/context.ts";
import { print, printBytes } from "../output/stdout.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { readKept } from "../tox/kept_file.ts";
import { type ApiClient, apiClient } from "./api_client.ts";
import { coreFile } from "./core_path.ts";
import { keepPlace, readPlace } from "./kept_place.ts";
import { KEPT_KEYS } from "./kept_keys.ts";
import { keepNode, nodeFolder, type NodeState, readNode } from "./node_folder.ts";
import { etcdAccess, openEtcd } from "./open_etcd.ts";
import type { MeshCoreFlags } from "./options.ts";
import { passphraseKey, takePassphrase } from "./passphrase.ts";

/** Bytes of the largest export. */
const MOST = 400 * 1024 * 1024;

/** Copies the core of a cluster, and brings it back. @throws {TtunError} */
export async function runMeshCore(options: MeshCoreFlags, context: RunContext): Promise<number> {
  const [verb, path, ...rest] = options.words;
  if (rest.length === 0) {
    if (verb === "export") return await exportTo(path, options, context);
    if (verb === "import" && path !== undefined) return await importFrom(path, options, context);
    if (verb === "move" && path !== undefined) return await move(path, options, context);
    if (verb === "restore" && path !== undefined) return await restore(path, options, context);
  }
  throw new TtunError(
    "usage",
    "Cannot do this: write export [FILE], import FILE, restore FILE or move NODE behind " +
      "ttun mesh core",
  );
}

async function exportTo(
  path: string | undefined,
  options: MeshCoreFlags,
  context: RunContext,
): Promise<number> {
  const etcd = await etcdAccess(options, context);
  const bytes = etcd !== null
    ? await exportEtcd()
    : await exportNode(await apiClient(options, context), options);
  if (path === undefined || path === "-") {
    await printBytes(bytes, context.signal);
    return 0;
  }
  try {
    writeNew(path, bytes, { mode: 0o600, durable: true });
  } catch (error) {
    throw fileFailure("export the core to", path, error);
  }
  await print(`${parseCoreExport(bytes).rows.length} keys are in ${path}.\n`, context.signal);
  return 0;

  async function exportEtcd(): Promise<Uint8Array> {
    await using store = openEtcd(etcd!, new DenoClock());
    return exportCore(await readStore(store, context.signal));
  }
}

/** Asks the running node; where none runs, reads its file. */
async function exportNode(client: ApiClient, { data, api }: MeshCoreFlags): Promise<Uint8Array> {
  try {
    const parts: Uint8Array[] = [];
    for await (const part of client.stream("/v1/core/export")) parts.push(part);
    const bytes = new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
    parseCoreExport(bytes); // what broke off is none
    return bytes;
  } catch (error) {
    const file = coreFile(nodeFolder(data));
    const isDown = error instanceof TtunError && error.kind === "unreachable";
    if (!isDown || api !== undefined || !isThere(file)) throw error;
    const { disk, state } = await openCoreFile(file, { create: false });
    await disk[Symbol.asyncDispose]();
    return exportCore(state);
  }
}

async function importFrom(
  path: string,
  options: MeshCoreFlags,
  context: RunContext,
): Promise<number> {
  const state = parseCoreExport(readExport(path));
  const etcd = await etcdAccess(options, context);
  if (etcd === null) return await keepCore(state, options, context);
  await using store = openEtcd(etcd, new DenoClock());
  const count = await writeStore(store, state, context.signal);
  await print(`${count} keys are in etcd now.\n`, context.signal);
  return 0;
}

async function restore(
  path: string,
  options: MeshCoreFlags,
  context: RunContext,
): Promise<number> {
  const bytes = readExport(path);
  if (!isSealedBackup(bytes)) return await keepCore(parseCoreExport(bytes), options, context);
  const folder = nodeFolder(options.data);
  const { authoritySeed } = readNode(folder);
  if (authoritySeed === null) {
    throw new TtunError(
      "usage",
      `Cannot open the backup: put the copy of the authority's key into ${folder}/ca.key first`,
    );
  }
  const { publicKey } = ed25519Signer(authoritySeed);
  const opened = openBackup(bytes, { seed: authoritySeed, publicKey }, sharedSecret);
  return await keepCore(parseCoreExport(opened), options, context);
}

async function move(
  start: string,
  options: MeshCoreFlags,
  context: RunContext,
): Promise<number> {
  const client = await apiClient(options, context);
  const path = `/v1/core/move?to=${encodeURIComponent(start)}`;
  const { node, epoch } = await client.json<{ node: string; epoch: number }>("POST", path);
  await print(`The core is at the node ${node.slice(0, 12)} (epoch ${epoch}).\n`, context.signal);
  return 0;
}

/** Makes the core of this node, which does not run, of another core's state. */
async function keepCore(
  given: CoreState,
  options: MeshCoreFlags,
  context: RunContext,
): Promise<number> {
  const folder = nodeFolder(options.data);
  const node = readNode(folder);
  requireCoreRole(node);
  const file = coreFile(folder);
  await requireEmpty(file);
  const state = await takeKeys(given, { folder, node, options }, context);
  const self = toHex(nodeIdOf(ed25519Signer(node.seed).publicKey));
  // The backup may be older than the newest epoch that this node has heard of.
  const epoch = Math.max(state.epoch, readPlace(folder)?.epoch ?? 0);
  const restored = restoredCore({ ...state, epoch }, self);
  await putPendingCore(file, restored);
  await activateCore(file, restored.epoch);
  const why = keepPlace(folder, { node: self, epoch: restored.epoch });
  if (why !== null) throw new TtunError("system", `Cannot keep where the core is: ${why}`);
  await print(
    `The core is at this node now, with ${state.rows.length} keys (epoch ${restored.epoch}). ` +
      "Run it: ttun mesh node\n",
    context.signal,
  );
  return 0;
}

/**
 * Keeps the authority's keys that were sealed in an etcd where they are to be again: in the folder of
 * the core's node. Returns the state without them. @throws {TtunError} usage, auth
 */
async function takeKeys(
  state: CoreState,
  { folder, node, options }: { folder: string; node: NodeState; options: MeshCoreFlags },
  context: RunContext,
): Promise<CoreState> {
  const sealed = state.rows.find(({ key }) => key === KEPT_KEYS)?.value;
  if (sealed === undefined) return state;
  if (node.authoritySeed === null) {
    const needed = "Cannot take over the authority's key, which was sealed in etcd";
    const passphrase = await takePassphrase(options, needed, context);
    const key = await passphraseKey(passphrase!, saltOf(sealed));
    const { generation, ...keys } = openUnderKey(sealed, key);
    keepNode(folder, { ...node, ...keys, facts: { ...node.facts, generation } });
  }
  return { ...state, rows: state.rows.filter(({ key }) => key !== KEPT_KEYS) };
}

function requireCoreRole({ facts }: NodeState): void {
  if (facts.roles.includes("core")) return;
  throw new TtunError(
    "usage",
    "This node may not have the core: join with an invite that was made by --roles " +
      "node,core,gateway",
  );
}

/** @throws {TtunError} usage, if there is a core with keys, which is not to be lost */
async function requireEmpty(file: string): Promise<void> {
  if (!isThere(file)) return;
  const { disk, state } = await openCoreFile(file, { create: false });
  await disk[Symbol.asyncDispose]();
  if (state.rows.length === 0) return;
  throw new TtunError(
    "usage",
    `There is a core in ${file}, with ${state.rows.length} keys: move it away first`,
  );
}

function readExport(path: string): Uint8Array {
  const kept = readKept(path, MOST, "the copy of the core");
  if (kept !== null) return kept.bytes;
  throw new TtunError("usage", `Cannot read ${path}: there is no such file`);
}
