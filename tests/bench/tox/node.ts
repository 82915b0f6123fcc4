/** `node.ts PORT FILE`: a node of the benchmark's own Tox network, whose list it writes to FILE. */
import { openNetwork } from "../../e2e/tox_lab.ts";

const [port = "", file = ""] = Deno.args;
openNetwork(file, Number(port));
console.log("ready");
