import type { CoreAnswer, CoreRequest } from "../../../core/mesh/core/request.ts";

/** The way to the core: in this process, or at another node. */
export interface CoreClient {
  /**
   * Answers with what the core said, also that it failed.
   * @throws {MeshError} `closed`, `unavailable`; the reason of the signal
   */
  call(request: CoreRequest, o: { signal: AbortSignal }): Promise<CoreAnswer>;
}
