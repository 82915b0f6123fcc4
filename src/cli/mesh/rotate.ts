import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { apiClient } from "./api_client.ts";
import type { MeshRotateFlags } from "./options.ts";

interface Rotation {
  readonly phase: "settled" | "added" | "used";
  readonly generation: number;
  readonly have: number;
  readonly members: number;
}

const NEXT = {
  settled: "One authority and one secret are valid; begin by: ttun mesh rotate add",
  added: "The new ones are accepted; once all nodes have them: ttun mesh rotate use",
  used: "The new ones are used; once all nodes have this: ttun mesh rotate remove",
} as const;

/** Replaces the cluster's authority and secret, step by step. @throws {TtunError} */
export async function runMeshRotate(
  options: MeshRotateFlags,
  context: RunContext,
): Promise<number> {
  const client = await apiClient(options, context);
  const { step } = options;
  const { phase, have, members } = step === "status"
    ? await client.json<Rotation>("GET", "/v1/rotation/")
    : await client.json<Rotation>("POST", `/v1/rotation/${step}`);
  await print(`${have} of ${members} nodes have the last change. ${NEXT[phase]}\n`, context.signal);
  return 0;
}
