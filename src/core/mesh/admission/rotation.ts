import { TtunError } from "../../../base/errors.ts";

/** Steps by which an authority and a secret are replaced: both are valid between the first and the last. */
export const ROTATION_STEPS = ["add", "use", "remove"] as const;
export type RotationStep = typeof ROTATION_STEPS[number];

/** `settled`: one of each; `added`: the new ones are accepted; `used`: the old ones still are. */
export type RotationPhase = "settled" | "added" | "used";

/** The authorities and secrets of a cluster, as the node has them that has the authority's key. */
export interface ClusterKeys {
  /** Counts the changes, by which nodes know that they lack some. */
  readonly generation: number;
  /** Public keys, the one that signs first. */
  readonly authorities: readonly Uint8Array[];
  /** The one of new links first. */
  readonly secrets: readonly Uint8Array[];
  /** 32 secret bytes of the key that signs. */
  readonly authoritySeed: Uint8Array;
  /** Of the one that is to sign next; null = there is none. */
  readonly nextSeed: Uint8Array | null;
}

export function rotationPhase({ authorities, nextSeed }: ClusterKeys): RotationPhase {
  if (authorities.length < 2) return "settled";
  return nextSeed === null ? "used" : "added";
}

/** Returns the step that comes next. */
export function nextStep(keys: ClusterKeys): RotationStep {
  return ({ settled: "add", added: "use", used: "remove" } as const)[rotationPhase(keys)];
}

export interface FreshKeys {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly secret: Uint8Array;
}

/** Returns the keys after a step. @throws {TtunError} usage, if another one comes next */
export function rotated(keys: ClusterKeys, step: RotationStep, fresh: FreshKeys): ClusterKeys {
  const next = nextStep(keys);
  if (step !== next) {
    throw new TtunError("usage", `Cannot ${step} now: the next step is ttun mesh rotate ${next}`);
  }
  const generation = keys.generation + 1;
  const { authorities: [first, second], secrets: [secret, other] } = keys;
  switch (step) {
    case "add":
      return {
        ...keys,
        generation,
        authorities: [first!, fresh.publicKey],
        secrets: [secret!, fresh.secret],
        nextSeed: fresh.seed,
      };
    case "use":
      return {
        generation,
        authorities: [second!, first!],
        secrets: [other!, secret!],
        authoritySeed: keys.nextSeed!,
        nextSeed: null,
      };
    case "remove":
      return { ...keys, generation, authorities: [first!], secrets: [secret!] };
  }
}

/** @throws {TtunError} busy, while members lack what the last step has given them */
export function requireAll(have: number, members: number, step: RotationStep): void {
  if (step === "add" || have >= members) return;
  throw new TtunError(
    "busy",
    `Cannot ${step} now: ${members - have} of ${members} nodes do not have the last change yet; ` +
      "start those that are down, or revoke those that are gone",
  );
}
