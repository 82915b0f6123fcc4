import type { CoreBatch, CoreState } from "../../src/contract/mesh_disk.ts";
import { CoreMachine, type CoreStep } from "../../src/core/mesh/core/core_machine.ts";
import { emptyCore, movedCore } from "../../src/core/mesh/core/core_state.ts";
import { CoreTable } from "../../src/core/mesh/core/core_table.ts";
import {
  type CoreMessage,
  decodeCoreAnswer,
  decodeCoreRequest,
  encodeCoreAnswer,
  encodeCoreRequest,
} from "../../src/core/mesh/core/message.ts";
import type { CoreAnswer, CoreRequest } from "../../src/core/mesh/core/request.ts";
import type { Step } from "../../src/core/mesh/steps.ts";
import type { CoreTaker, SimulatedNode, World } from "./world.ts";

/** Milliseconds between two looks at what has expired, or was started again. */
const LOOK_MS = 50;
const COMMIT_MS = 2;
/** After so long without an answer a request has failed. */
const ANSWER_MS = 3000;
const FIRST_REQUEST = 1_000_000;

/** The file of a core: all that is on it, and whether the core has moved away from it. */
class CoreFile {
  state: CoreState;
  isMoved = false;

  constructor(state: CoreState) {
    this.state = state;
  }

  commit(batch: CoreBatch): void {
    const table = new CoreTable(this.state, 0);
    if (batch.revision < table.revision) throw new Error("The core's revision has fallen");
    table.apply(batch, 0);
    const changes = [...this.state.changes, ...batch.changes];
    this.state = { ...table.snapshot(this.state.epoch), changes, floor: batch.floor };
  }
}

/** A core at one node: it starts from its file whenever the node's process does. */
interface Held {
  readonly node: SimulatedNode;
  readonly file: CoreFile;
  machine: CoreMachine;
  run: number;
  replies: Map<number, (answer: CoreAnswer) => void>;
}

/** The core of a simulated fleet: at one node, and after a move at another. */
export class CoreHost implements CoreTaker {
  readonly world: World;
  readonly #held = new Map<SimulatedNode, Held>();
  readonly #waiting = new Map<number, (answer: CoreMessage<CoreAnswer>) => void>();
  #number = FIRST_REQUEST;
  #id = 0;

  constructor(world: World, node: SimulatedNode) {
    this.world = world;
    world.core = this;
    this.#open(node, emptyCore());
    this.#look();
  }

  /** The node with the core. */
  get at(): SimulatedNode {
    return [...this.#held.values()].find(({ file }) => !file.isMoved)!.node;
  }

  /** The state on the disk of the core. */
  get state(): CoreState {
    return this.#held.get(this.at)!.file.state;
  }

  /** Sends a request from one node to another; null = no answer came. */
  ask(
    from: SimulatedNode,
    to: SimulatedNode,
    message: CoreMessage<CoreRequest>,
    onEnd: (answer: CoreMessage<CoreAnswer> | null) => void,
  ): void {
    const number = ++this.#number;
    const { run } = from;
    const end = (answer: CoreMessage<CoreAnswer> | null) => {
      if (this.#waiting.delete(number) && from.run === run) onEnd(answer);
    };
    this.#waiting.set(number, end);
    this.world.at(this.world.now + ANSWER_MS, () => end(null));
    if (from === to) this.#serve(to, message, end);
    else this.world.askCore(from, to, number, encodeCoreRequest(message));
  }

  asked(node: SimulatedNode, { from, request, body }: Step & { type: "core" }): void {
    this.#serve(node, decodeCoreRequest(body), (answer) => {
      const bytes = encodeCoreAnswer(answer);
      this.world.act(node, (ring, now) => ring.answerCore(from, request, bytes, now));
    });
  }

  answered(_node: SimulatedNode, request: number, body: Uint8Array): void {
    this.#waiting.get(request)?.(decodeCoreAnswer(body));
  }

  /** Moves the core; `ms` pass between its last answer and the first one there. */
  move(to: SimulatedNode, ms: number): void {
    const held = this.#held.get(this.at)!;
    held.machine.freeze("The core moves");
    this.world.at(this.world.now + ms, () => {
      held.file.isMoved = true;
      this.#open(to, movedCore(held.file.state, to.key));
    });
  }

  #open(node: SimulatedNode, state: CoreState): void {
    const machine = new CoreMachine(state, this.#clock(node));
    this.#held.set(node, {
      ...{ node, machine, run: node.run, replies: new Map() },
      file: new CoreFile(state),
    });
  }

  /** A clock that is never set, in milliseconds. */
  #clock(node: SimulatedNode): number {
    return this.world.now * node.rate;
  }

  #serve(
    node: SimulatedNode,
    { epoch, content }: CoreMessage<CoreRequest>,
    onEnd: (answer: CoreMessage<CoreAnswer>) => void,
  ): void {
    const held = this.#restarted(node);
    if (held === undefined || epoch > held.file.state.epoch) {
      const message = "The core is elsewhere";
      const error = { type: "error", reason: "unavailable", outcome: "none", message } as const;
      return onEnd({ epoch: 0, content: error });
    }
    const id = ++this.#id;
    held.replies.set(id, (content) => onEnd({ epoch: held.file.state.epoch, content }));
    this.#do(held, held.machine.feed(id, content, this.#clock(node)));
  }

  /** Returns a node's core, which has begun anew where the process has. */
  #restarted(node: SimulatedNode): Held | undefined {
    const held = this.#held.get(node);
    if (held === undefined || held.file.isMoved || node.ring === null) return undefined;
    if (held.run === node.run) return held;
    held.run = node.run;
    held.replies = new Map();
    held.machine = new CoreMachine(held.file.state, this.#clock(node));
    return held;
  }

  #do(held: Held, steps: readonly CoreStep[]): void {
    for (const step of steps) {
      if (step.type === "reply") {
        held.replies.get(step.id)?.(step.answer);
        held.replies.delete(step.id);
      } else if (step.type === "store") this.#store(held, step);
    }
  }

  #store(held: Held, { batch, token }: CoreStep & { type: "store" }): void {
    const { run, node } = held;
    this.world.at(this.world.now + COMMIT_MS, () => {
      if (held.file.isMoved) return;
      // Of a commit that was on its way when the process ended the disk has all or nothing.
      if (node.run !== run && this.world.random() < 0.5) return;
      held.file.commit(batch);
      if (node.run !== run || held.run !== run) return;
      this.#do(held, held.machine.stored(token, this.#clock(node)));
    });
  }

  #look(): void {
    this.world.at(this.world.now + LOOK_MS, () => this.#look());
    for (const node of this.#held.keys()) {
      const held = this.#restarted(node);
      if (held === undefined || node.frozenUntil > this.world.now) continue;
      if (held.machine.due() <= this.#clock(node)) {
        this.#do(held, held.machine.tick(this.#clock(node)));
      }
    }
  }
}
