import { openLibc } from "../../../ffi/linux/libc.ts";
import { TtunError } from "../../base/errors.ts";
import { printPlain } from "../output/log_writer.ts";
import { programArgv } from "../platform/own_argv.ts";
import { requirePermissions } from "../platform/permissions.ts";
import { programName } from "../program_name.ts";
import { parseToxEnd } from "./end.ts";
import { findToxEnd } from "./hosts.ts";
import type { ToxSshFlags } from "./options.ts";
import { replaceByProgram } from "./replace_by_program.ts";
import { proxyCommand, sshArguments } from "./ssh_arguments.ts";

/**
 * Runs ssh to a server's machine, with this program as its way there. The secret stands in no
 * argument: that program looks the host up too. Returns ssh's exit code. @throws {TtunError}
 */
export async function runToxSsh(options: ToxSshFlags): Promise<number> {
  const { login, destination: [destination = "", ...more] } = options;
  const rest = login === undefined ? more : ["-l", login, ...more];
  const name = destination.slice(destination.lastIndexOf("@") + 1);
  findToxEnd(parseToxEnd(name), printPlain); // ssh would say less of one that there is not
  const way = proxyCommand(ownCommand(), name, options);
  return await replaceByProgram("ssh", sshArguments(way, destination, rest));
}

/** Words that start this command. */
function ownCommand(): string[] {
  if (Deno.build.standalone) {
    const path = Deno.execPath();
    return programName(path) === "tuntox" ? [path] : [path, "tox"]; // a file of that name is the command
  }
  if (Deno.build.os !== "linux") {
    throw new TtunError(
      "system",
      "Cannot run ssh with ttun's sources here: this is for the executable, or for Linux",
    );
  }
  requirePermissions([{ permission: { name: "ffi" }, purpose: "tell how ttun was started" }]);
  using libc = openLibc();
  const [, ...words] = programArgv(libc).map((word) => new TextDecoder().decode(word));
  return [Deno.execPath(), ...words, "tox"];
}
