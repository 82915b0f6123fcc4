import type { Host, Process } from "../netns.ts";
import { ENV, SERVER, ttunCommand } from "./tunnel.ts";

/** The file of name servers before ttun's. */
export const BEFORE = "# of this network\nnameserver 192.0.2.53\nsearch lan\noptions edns0\n";

/**
 * A client whose /etc is a copy of the test's own, in a mount namespace for each process. Its journals
 * are out of the sight of other tests' programs: one that holds the name servers keeps the rest away.
 */
export class OwnEtc implements AsyncDisposable {
  readonly #host: Host;
  readonly etc: string;
  /** Its /run/ttun. */
  readonly run: string;
  readonly conf: string;
  /** Shell commands in the mount namespace. */
  readonly #more: string;

  private constructor(host: Host, { etc, run }: { etc: string; run: string }, more: string) {
    this.#host = host;
    this.etc = etc;
    this.run = run;
    this.conf = `${etc}/resolv.conf`;
    this.#more = more;
  }

  static async make(host: Host, more = ""): Promise<OwnEtc> {
    const etc = await Deno.makeTempDir();
    await host.sh(`cp -a /etc/. ${etc}; rm -f ${etc}/resolv.conf`);
    const made = new OwnEtc(host, { etc, run: await Deno.makeTempDir() }, more);
    await Deno.writeTextFile(made.conf, BEFORE, { mode: 0o640 });
    return made;
  }

  #words(...args: string[]): string[] {
    const [command, rest] = ttunCommand(...args);
    const script = `
      mount --bind ${this.etc} /etc
      mkdir -p -m 700 /run/ttun
      mount --bind ${this.run} /run/ttun
      ${this.#more}
      exec "$@"`;
    return ["-m", "--propagation", "private", "sh", "-euc", script, "sh", command, ...rest];
  }

  async client(...args: string[]): Promise<Process> {
    const server = args.includes("-s") ? [] : ["-s", SERVER];
    const words = this.#words("client", "-v", "--no-warm-up", ...server, ...args);
    const process = this.#host.spawn("unshare", words, { env: ENV });
    await process.waitFor(/name servers of this machine/);
    return process;
  }

  /** The standard output of a program that sees this /etc. */
  async output(command: string, ...args: string[]): Promise<string> {
    const words = ["-m", "--propagation", "private", "sh", "-euc"];
    const script = `mount --bind ${this.etc} /etc; exec "$@"`;
    return (await this.#host.run("unshare", [...words, script, "sh", command, ...args])).stdout;
  }

  doctor(...args: string[]): Promise<string> {
    return this.ttun("doctor", ...args);
  }

  /** The standard output of a command of ttun. */
  async ttun(...args: string[]): Promise<string> {
    return (await this.#host.run("unshare", this.#words(...args), { env: ENV })).stdout;
  }

  /** The file itself, link or not, and what is beside it. */
  async state(): Promise<string> {
    return await this.#host.sh(
      `cd ${this.etc}; stat -c "%N %i %a %s" resolv.conf; cat resolv.conf; ls | grep resolv.conf`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.etc, { recursive: true });
    await Deno.remove(this.run, { recursive: true });
  }
}

export async function end(
  process: Process,
  signal: "SIGTERM" | "SIGKILL" = "SIGTERM",
): Promise<void> {
  process.signal(signal);
  await process.closed;
}
