import type { PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import type { ToxStart } from "./plane_config.ts";

/** Tools of an end of `ttun tox`. */
export type ToxTools = PlaneTools<SocketPlatform, ToxStart>;
