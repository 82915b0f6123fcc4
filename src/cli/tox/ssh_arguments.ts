import type { ToxSshFlags } from "./options.ts";

/** Options of `ttun tox ssh` that the program between has as well. */
type Passed = Pick<
  ToxSshFlags,
  "configDir" | "deadline" | "secretFile" | "udpPorts" | "nodes" | "verbose"
>;

/** `command`: words of `ttun tox`. Returns the shell's command by which ssh reaches the port %p at the server's machine. */
export function proxyCommand(command: readonly string[], name: string, o: Passed): string {
  const words = [
    ...command,
    ...["-i", name, "--deadline", String(o.deadline)],
    ...(o.configDir === undefined ? [] : ["-C", o.configDir]),
    ...(o.secretFile === undefined ? [] : ["--secret-file", o.secretFile]),
    ...(o.udpPorts === undefined ? [] : ["-u", `${o.udpPorts.first}:${o.udpPorts.last}`]),
    ...(o.nodes === undefined ? [] : ["-b", o.nodes]),
    ...(o.verbose ? ["-v"] : []),
  ];
  // A percent sign begins what ssh puts in; ssh writes exec in front of it all.
  return [...words.map(shellWord), "-W", "127.0.0.1:%p"].join(" ");
}

/** `rest`: what the user has for ssh; of an option that stands twice, ssh takes the first. */
export function sshArguments(
  command: string,
  destination: string,
  rest: readonly string[],
): string[] {
  return ["-o", `ProxyCommand=${command}`, destination, ...rest];
}

function shellWord(word: string): string {
  const quoted = /^[\w./:@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  return quoted.replaceAll("%", "%%");
}
