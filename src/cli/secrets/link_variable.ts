import { isSharedLink, LINK_SCHEME } from "../../core/share/shared_link.ts";
import { readVariable } from "../platform/variables.ts";

const NAME = "TTUN_SERVER";

/**
 * Leaves a link's scheme alone in the environment, as among the arguments: programs that ttun starts
 * do not get its key, and a ttun in the background knows that it was a link, which is handed over.
 */
export function hideLinkVariable(): void {
  if (isSharedLink(readVariable(NAME) ?? "")) Deno.env.set(NAME, LINK_SCHEME);
}
