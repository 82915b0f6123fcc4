/** Both ends of `tox:` URLs, which are loaded for them alone. */
export { openToxServer } from "./link_client.ts";
export { openToxListener } from "./link_listener.ts";
