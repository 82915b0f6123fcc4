import type { PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";

/** Tools of the data plane, for a node. */
export type MeshTools = PlaneTools<SocketPlatform, null>;
