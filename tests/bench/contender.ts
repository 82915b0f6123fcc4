/** A contender of `deno task bench:tun`: a way between two hosts that can be measured. */
import type { Process, TwoHosts } from "../netns.ts";
import type { TemporaryFiles } from "../temporary_files.ts";

/** Of the device inside; null is what the program takes by itself. */
export type Mtu = number | null;

/** The program at one end of a tunnel. */
export interface TunnelEnd {
  process: Process;
  /** Name given to `spawn`: the process's own `argv[0]`, once the wrappers have become it. */
  program: string;
}

/** Starts a tunnel and waits until it is up. What it started ends with the hosts, or before. */
export type StartTunnel = (hosts: TwoHosts, mtu: Mtu) => Promise<TunnelEnd[]>;

export interface Contender {
  readonly name: string;
  /** The server's address inside. */
  readonly inner: string;
  /**
   * Finds or makes what all its tunnels need: the program, certificates.
   * @throws {MissingProgram}
   */
  prepare(files: TemporaryFiles): Promise<StartTunnel>;
}

/** A contender that is ready to start. */
export interface ReadyContender {
  readonly name: string;
  readonly inner: string;
  readonly start: StartTunnel;
}

/** A program that is not on this machine, and how to get it. */
export class MissingProgram extends Error {}

/** @throws {MissingProgram} */
export async function requireProgram(name: string, debianPackage: string): Promise<void> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", 'command -v "$1"', "sh", name],
    stdout: "null",
    stderr: "null",
  }).output();
  if (!success) throw new MissingProgram(`${name} is missing: apt-get install ${debianPackage}`);
}
