import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { apiClient } from "./api_client.ts";
import type { MeshLeaveFlags } from "./options.ts";

/** Has the running node give its records to others, and end. @throws {TtunError} */
export async function runMeshLeave(options: MeshLeaveFlags, context: RunContext): Promise<number> {
  const client = await apiClient(options, context);
  await client.json("POST", "/v1/leave");
  await print(
    "The node has given its records to others, and has ended. ttun mesh revoke shuts it out for " +
      "good, ttun mesh node has it join again.\n",
    context.signal,
  );
  return 0;
}
