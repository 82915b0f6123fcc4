import { exit } from "./src/cli/platform/exit.ts";
import { start } from "./src/cli/start.ts";

exit(await start(Deno.args));
