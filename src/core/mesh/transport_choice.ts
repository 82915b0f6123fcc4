/** How nodes are linked: TCP alone, QUIC alone, or TCP first and QUIC where it fails. */
export const TRANSPORT_MODES = ["auto", "tcp", "quic"] as const;
export type TransportMode = typeof TRANSPORT_MODES[number];

export type MeshTransport = "tcp" | "quic";

/** Milliseconds that TCP has alone. */
const HEAD_START_MS = 300;

/** Milliseconds between two looks for TCP, while a link goes by QUIC. */
const LOOK_MS = 5 * 60_000;

/** Things that whoever runs the choice is to do, in this order. */
export type ChoiceStep =
  | { readonly do: "dial"; readonly transport: MeshTransport }
  /** Gives an attempt up that has not come about. */
  | { readonly do: "cancel"; readonly transport: MeshTransport }
  /** The link goes by it from now on; another one that it went by ends. */
  | { readonly do: "use"; readonly transport: MeshTransport }
  /** A connection that came too late ends. */
  | { readonly do: "drop"; readonly transport: MeshTransport }
  /** There is no way. */
  | { readonly do: "fail" };

/**
 * Chooses the transport of one link: TCP is dialled first, QUIC 300 ms later or once TCP has failed.
 * The first that comes about is used. A link by QUIC looks for TCP every five minutes, and goes on by
 * it. Without clock: times are milliseconds of the caller's.
 */
export class TransportChoice {
  readonly #mode: TransportMode;
  #state: Record<MeshTransport, "idle" | "dialling" | "failed"> = { tcp: "idle", quic: "idle" };
  #used: MeshTransport | null = null;
  #isOver = false;
  #due = Infinity;

  constructor(mode: TransportMode) {
    this.#mode = mode;
  }

  /** The transport that the link goes by; null = none yet. */
  get used(): MeshTransport | null {
    return this.#used;
  }

  /** True while an attempt may still come about, and none has. */
  get isOpen(): boolean {
    return !this.#isOver && this.#used === null;
  }

  /** When `tick` is to be called. */
  get due(): number {
    return this.#due;
  }

  start(now: number): ChoiceStep[] {
    if (this.#mode === "auto") this.#due = now + HEAD_START_MS;
    return [this.#dial(this.#mode === "quic" ? "quic" : "tcp")];
  }

  /** A connection has come about, and its other end has proved who it is. */
  connected(transport: MeshTransport, now: number): ChoiceStep[] {
    this.#state[transport] = "idle";
    const isWanted = this.#used === null || transport === "tcp" && this.#used === "quic";
    if (this.#isOver || !isWanted) return [{ do: "drop", transport }];
    this.#used = transport;
    this.#due = transport === "quic" && this.#mode === "auto" ? now + LOOK_MS : Infinity;
    return [...this.#cancelOther(transport), { do: "use", transport }];
  }

  failed(transport: MeshTransport): ChoiceStep[] {
    if (this.#state[transport] !== "dialling") return [];
    this.#state[transport] = "failed";
    if (this.#isOver || this.#used !== null) return [];
    if (this.#mode === "auto" && this.#state.quic === "idle") {
      this.#due = Infinity;
      return [this.#dial("quic")];
    }
    const isOpen = Object.values(this.#state).includes("dialling");
    return isOpen ? [] : this.#end([{ do: "fail" }]);
  }

  tick(now: number): ChoiceStep[] {
    if (this.#isOver || now < this.#due) return [];
    if (this.#used === null) {
      this.#due = Infinity;
      return [this.#dial("quic")];
    }
    this.#due = now + LOOK_MS;
    return this.#state.tcp === "dialling" ? [] : [this.#dial("tcp")];
  }

  /** The link has ended, or nobody wants it any more. */
  end(): ChoiceStep[] {
    return this.#isOver ? [] : this.#end([]);
  }

  #end(steps: ChoiceStep[]): ChoiceStep[] {
    this.#isOver = true;
    this.#due = Infinity;
    return [...this.#cancel("tcp"), ...this.#cancel("quic"), ...steps];
  }

  #dial(transport: MeshTransport): ChoiceStep {
    this.#state[transport] = "dialling";
    return { do: "dial", transport };
  }

  #cancelOther(transport: MeshTransport): ChoiceStep[] {
    return this.#cancel(transport === "tcp" ? "quic" : "tcp");
  }

  #cancel(transport: MeshTransport): ChoiceStep[] {
    if (this.#state[transport] !== "dialling") return [];
    this.#state[transport] = "idle";
    return [{ do: "cancel", transport }];
  }
}
