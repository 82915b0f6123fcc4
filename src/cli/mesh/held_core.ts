import { announceCore } from "../../app/mesh/store/core_announcer.ts";
import type { CoreClient } from "../../app/mesh/store/core_client.ts";
import type { CoreFigures } from "../../app/mesh/store/core_driver.ts";
import { moveCore, receivedCore } from "../../app/mesh/store/core_move.ts";
import { CorePlace, type Place } from "../../app/mesh/store/core_place.ts";
import { ParcelReceiver } from "../../app/mesh/store/parcel_receiver.ts";
import { ParcelSender } from "../../app/mesh/store/parcel_sender.ts";
import { RemoteCore } from "../../app/mesh/store/remote_core.ts";
import { deadlineSignal } from "../../app/loop/deadline_signal.ts";
import { sleep } from "../../app/loop/sleep.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import { PARCEL, type ParcelKind } from "../../core/mesh/core/parcel.ts";
import type { CoreAnswer, CoreRequest } from "../../core/mesh/core/request.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import { isThere } from "../../io/files/present.ts";
import { MovedCore } from "../../io/mesh/core_file.ts";
import { activateCore, putPendingCore } from "../../io/mesh/pending_core.ts";
import { rng } from "../platform/rng.ts";
import type { AuthorityKeys } from "./authority_keys.ts";
import { keepBackup } from "./backup_file.ts";
import type { CoreNodes } from "./core_nodes.ts";
import { coreFile } from "./core_path.ts";
import { keepPlace, readPlace } from "./kept_place.ts";
import { type LocalCore, markOf, openLocalCore } from "./local_core.ts";
import { backUpLocal } from "./local_backups.ts";
import type { MeshTools } from "./mesh_tools.ts";

/** Never called: it makes the Worker's file a dependency for `deno cache` and `deno install`. */
export const workerModule: () => Promise<unknown> = () => import("../../io/mesh/sqlite_worker.ts");

/** Tries of a request while the core is on its way between nodes, and milliseconds between them. */
const TRIES = 10;
const RETRY_MS = 200;

/** Milliseconds of a try to finish a move that was interrupted, and until the next one. */
const FINISH_MS = 3_000;
const FINISH_AGAIN_MS = 1_000;

export interface HeldCoreOptions {
  readonly folder: string;
  readonly self: NodeKey;
  /** The node has the role. */
  readonly mayHaveIt: boolean;
  readonly keys: AuthorityKeys;
}

/** The core in a node's folder, or the way to another node's; it may move while the node runs. */
export class HeldCore implements CoreClient, AsyncDisposable {
  readonly #folder: string;
  readonly #self: NodeKey;
  readonly #mayHaveIt: boolean;
  readonly #nodes: CoreNodes;
  readonly #tools: MeshTools;
  readonly #parcels: ParcelReceiver;
  readonly #keys: AuthorityKeys;
  #local: LocalCore | null = null;
  #remote: RemoteCore | null = null;
  #way: CorePlace | null = null;
  #isRemoteWell = false;
  /** Where the file here says that the core has gone; it may lack its last message, or the keys. */
  #movedTo: Place | null = null;
  #activating: Promise<void> | null = null;
  /** Ends when nothing is handed over. */
  #handing: Promise<unknown> = Promise.resolve();
  readonly #damaged = Promise.withResolvers<never>();
  /** Called when this node has got the core. */
  onCore: () => void = () => {};

  /** @throws {TtunError} if its file is damaged or out of date */
  static async open(
    o: HeldCoreOptions,
    nodes: CoreNodes,
    tools: MeshTools,
  ): Promise<HeldCore> {
    const held = new HeldCore(o, nodes, tools);
    const place = readPlace(o.folder);
    const isHere = place === null ? isThere(coreFile(o.folder)) : place.node === o.self;
    if (isHere && !o.mayHaveIt) {
      throw new TtunError(
        "usage",
        "Cannot run without the role core: this node has the core; ttun mesh core move hands it to " +
          "another one",
      );
    }
    try {
      if (isHere) await held.#openLocal(place?.epoch ?? 0);
      else {
        held.#seek(place);
        if (place === null && o.keys.areHere && o.mayHaveIt) {
          tools.log.warn(
            "There is no core at this node, which has the authority's key: if its file is lost, bring back " +
              "the newest backup with ttun mesh core restore",
          );
        }
        if (o.keys.areHere) held.#movedTo = await markOf(coreFile(o.folder));
      }
    } catch (error) {
      if (!(error instanceof MovedCore)) throw error;
      // The node was stopped between the mark and this note.
      held.#keepPlace(error);
      held.#seek(error);
      held.#movedTo = error;
    }
    return held;
  }

  private constructor(
    { folder, self, mayHaveIt, keys }: HeldCoreOptions,
    nodes: CoreNodes,
    tools: MeshTools,
  ) {
    this.#damaged.promise.catch(() => {}); // whoever runs the node awaits it
    this.#folder = folder;
    this.#self = self;
    this.#mayHaveIt = mayHaveIt;
    this.#keys = keys;
    this.#nodes = nodes;
    this.#tools = tools;
    this.#parcels = new ParcelReceiver({
      refusal: (node) =>
        nodes.mayHaveCore(node) ? null : "Only a node that may have the core sends parcels",
      take: (kind, bytes) => this.#takeParcel(kind, bytes),
      activate: (epoch) => this.#activate(epoch),
    });
  }

  /** Figures of the core, where this node has it. */
  get figures(): CoreFigures | null {
    return this.#local?.driver.figures() ?? null;
  }

  /** The node that had it when this one heard of it last; null = it is here, or was never heard of. */
  get knownNode(): NodeKey | null {
    return this.#local === null ? this.#way?.place?.node ?? null : null;
  }

  /** Rejects if the core's file turns out to be damaged, which stops the node. */
  get damaged(): Promise<never> {
    return this.#damaged.promise;
  }

  /** This node has it. */
  get isHere(): boolean {
    return this.#local !== null;
  }

  get isWell(): boolean {
    const { driver } = this.#local ?? {};
    return driver === undefined ? this.#isRemoteWell : driver.failure === undefined;
  }

  async call(request: CoreRequest, o: { signal: AbortSignal }): Promise<CoreAnswer> {
    for (let tries = 1;; tries++) {
      const local = this.#local;
      if (local === null) return await this.#remote!.call(request, o);
      try {
        const answer = await local.driver.call(request, o);
        const isMoving = answer.type === "error" && answer.reason === "unavailable";
        if (!isMoving || tries === TRIES) return answer;
      } catch (error) {
        const hasEnded = error instanceof MeshError && error.reason === "unavailable";
        if (!hasEnded || tries === TRIES) throw error;
      }
      await this.#pause(o.signal);
    }
  }

  /** Answers a request to the core, or a parcel, of another node. */
  async answer(from: NodeKey, body: Uint8Array): Promise<Uint8Array> {
    if (body[0] === PARCEL) return await this.#parcels.answer(from, body);
    if (this.#local === null) throw new MeshError("unavailable", "This node has not the core");
    const { signal } = this.#tools;
    const local = this.#local;
    try {
      return await local.server.answer(from, body, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new MeshError("closed", "The node stops");
    } finally {
      const newer = local.newer();
      if (newer !== null && this.#local === local) await this.#yieldTo(newer, local);
    }
  }

  /** Hands the core to another node, with the authority's keys. Returns the new epoch. @throws {TtunError} */
  async move(node: NodeKey, signal: AbortSignal): Promise<number> {
    return await this.#alone(async () => {
      const local = this.#local;
      const epoch = local === null
        ? await this.#finishMove(node, signal)
        : await this.#moveLocal(node, local, signal);
      await this.#handKeys(node, signal);
      this.#movedTo = null;
      return epoch;
    });
  }

  /**
   * Finishes moves that were interrupted, until the signal aborts: of a process that was killed, or where
   * the other one was. The keys go to nobody but the node that was named for the core then.
   */
  async finishMoves(signal: AbortSignal): Promise<void> {
    const { platform: { clock }, log } = this.#tools;
    let said: Place | null = null;
    for (;; await sleep(clock, FINISH_AGAIN_MS, signal)) {
      const to = this.#movedTo;
      if (to === null || this.#local !== null) continue;
      const late = () => new TtunError("unreachable", "The other node does not answer");
      using patience = deadlineSignal(signal, { clock, ms: FINISH_MS, late });
      try {
        await this.#alone(() => this.#finish(to, patience.signal));
      } catch (error) {
        signal.throwIfAborted();
        if (said !== to) {
          const why = toTtunError(error).message;
          log.warn("A move of the core is not finished yet", { to: to.node.slice(0, 12), why });
        }
        said = to;
      }
    }
  }

  async #finish(to: Place, signal: AbortSignal): Promise<void> {
    if (this.#movedTo !== to) return;
    await this.#sender().activate(to.node, to.epoch, signal);
    await this.#handKeys(to.node, signal);
    this.#movedTo = null;
  }

  /** One thing is handed over at a time. */
  async #alone<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#handing.then(run);
    this.#handing = mine.catch(() => {}); // whoever asked for it is told
    return await mine;
  }

  async #moveLocal(node: NodeKey, local: LocalCore, signal: AbortSignal): Promise<number> {
    const sender = this.#sender();
    try {
      return await moveCore({ core: local.driver, disk: local.disk, sender, node }, signal);
    } finally {
      if (local.driver.failure !== undefined) await this.#leave(node, local);
    }
  }

  /** The keys are given up once the other node has them for good. @throws {TtunError} partial */
  async #handKeys(node: NodeKey, signal: AbortSignal): Promise<void> {
    try {
      const sealed = this.#keys.sealedFor(node);
      if (sealed === null) return;
      await this.#sender().send(node, "authority", sealed, signal);
    } catch (error) {
      throw new TtunError(
        "partial",
        `The core has moved to the node ${node}, and the authority's keys have not ` +
          `(${
            toTtunError(error).message
          }): this node goes on trying, or run the same command again`,
        { cause: error },
      );
    }
    this.#keys.giveUp();
    this.#tools.log.info("The authority's keys have moved", { to: node.slice(0, 12) });
  }

  /** Tells others that the core is here, while it is, until the signal aborts. */
  async announce(signal: AbortSignal): Promise<never> {
    return await announceCore({
      epoch: () => this.#local?.server.epoch ?? null,
      candidates: () => this.#nodes.alive(),
      ask: (node, body, signal) => this.#nodes.ask(node, body, signal),
      onCore: async (node, epoch) => {
        const local = this.#local;
        if (local === null || !this.#nodes.mayHaveCore(node)) return;
        const own = local.server.epoch;
        // It was restored twice: of two that are equal one goes on, whichever.
        if (epoch < own || (epoch === own && node < this.#self)) return;
        local.driver.end(new MeshError("unavailable", `There is a core of epoch ${epoch}`));
        await this.#yieldTo({ node, epoch }, local);
      },
      clock: this.#tools.platform.clock,
    }, signal);
  }

  /** Keeps backups at other nodes while this one has the core. `authority`: its public key. */
  async backUp(everyMs: number, authority: () => Uint8Array, signal: AbortSignal): Promise<void> {
    for (;;) {
      const local = this.#local;
      if (local !== null && local.driver.failure === undefined) {
        const [nodes, sender] = [this.#nodes, this.#sender()];
        await backUpLocal(local, { nodes, sender, everyMs, authority, signal }, this.#tools);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.onCore = resolve;
      await abortable(promise, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#local?.driver[Symbol.asyncDispose]();
  }

  #sender(): ParcelSender {
    return new ParcelSender((node, body, signal) => this.#nodes.ask(node, body, signal), rng);
  }

  async #openLocal(leastEpoch: number): Promise<void> {
    this.#local = await openLocalCore({
      path: coreFile(this.#folder),
      leastEpoch,
      nodes: this.#nodes,
      onDamage: (error) => this.#damaged.reject(error),
    }, this.#tools);
    this.#remote = null;
  }

  #seek(place: Place | null): void {
    const { platform: { clock } } = this.#tools;
    const way = new CorePlace({
      place,
      save: (found) => this.#keepPlace(found),
      candidates: () => this.#nodes.candidates(),
      ask: async (node, body, signal) => {
        try {
          const answer = await this.#nodes.ask(node, body, signal);
          if (!this.#nodes.mayHaveCore(node)) {
            throw new MeshError(
              "unavailable",
              "A node answered whose certificate is not for a core",
            );
          }
          this.#isRemoteWell = true;
          return answer;
        } catch (error) {
          if (!signal.aborted) this.#isRemoteWell = false;
          throw error;
        }
      },
      clock,
    });
    this.#way = way;
    this.#remote = new RemoteCore(way, { clock, rng });
  }

  #keepPlace(place: Place): void {
    const why = keepPlace(this.#folder, place);
    if (why !== null) this.#tools.log.warn("Cannot keep where the core is", { why });
  }

  /** The file here is marked: from now on the other node is asked. */
  async #leave(node: NodeKey, local: LocalCore): Promise<void> {
    const place = { node, epoch: local.server.epoch + 1 };
    this.#local = null;
    this.#movedTo = place;
    this.#keepPlace(place);
    this.#seek(place);
    this.#tools.log.info("The core has moved", { to: node.slice(0, 12), epoch: place.epoch });
    await local.driver[Symbol.asyncDispose]();
  }

  /** There is a newer core, as where this node's was lost for a while and restored elsewhere. */
  async #yieldTo(place: Place, local: LocalCore): Promise<void> {
    this.#local = null;
    this.#keepPlace(place);
    this.#seek(place);
    const facts = { at: place.node.slice(0, 12), epoch: place.epoch };
    this.#tools.log.warn("There is another core: this node's own is not used any more", facts);
    if (this.#keys.areHere) {
      this.#tools.log.warn(
        "The authority's key is still here: remove ca.key once the core's node has it too",
        facts,
      );
    }
    await local.driver[Symbol.asyncDispose]();
  }

  /** Has the node start a core that was handed to it, whose last message was lost. */
  async #finishMove(node: NodeKey, signal: AbortSignal): Promise<number> {
    const place = readPlace(this.#folder);
    if (place?.node !== node) throw new TtunError("usage", "This node has not the core");
    await this.#sender().activate(node, place.epoch, signal);
    return place.epoch;
  }

  async #takeParcel(kind: ParcelKind, bytes: Uint8Array): Promise<void> {
    if (kind === "backup") return keepBackup(this.#folder, bytes);
    if (kind === "authority") return this.#takeKeys(bytes);
    if (!this.#mayHaveIt) throw new TtunError("usage", "This node's certificate is not for a core");
    if (this.#local !== null) throw new TtunError("usage", "This node has a core already");
    await putPendingCore(coreFile(this.#folder), receivedCore(bytes, this.#self));
  }

  #takeKeys(sealed: Uint8Array): void {
    if (this.#local === null) throw new TtunError("usage", "This node has not the core");
    this.#keys.take(sealed);
    this.#tools.log.info("The authority's keys are at this node now");
  }

  /** Whoever asks again meanwhile waits for the same. */
  async #activate(epoch: number): Promise<void> {
    this.#activating ??= this.#start(epoch).finally(() => this.#activating = null);
    await this.#activating;
    if (this.#local?.server.epoch === epoch) return;
    throw new TtunError("usage", "This node has a core of another epoch");
  }

  async #start(epoch: number): Promise<void> {
    if (this.#local !== null) {
      if (this.#local.server.epoch === epoch) return; // the answer to the first such message was lost
      throw new TtunError("usage", "This node has a core already");
    }
    await activateCore(coreFile(this.#folder), epoch);
    await this.#openLocal(epoch);
    this.#movedTo = null;
    this.#keepPlace({ node: this.#self, epoch });
    this.#tools.log.info("The core is at this node now", { epoch });
    this.onCore();
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#tools.platform.clock.after(RETRY_MS, resolve);
    await abortable(promise, signal);
  }
}
