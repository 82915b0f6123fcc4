/** tcpdump on one device of a host, and what it has seen. */
import type { Host, Process } from "../netns.ts";
import { judge, type Judged, packetsOf } from "./checksums.ts";
import { pause } from "./tunnel.ts";

/** tcpdump reads in batches of its own: what has passed may not be in the file yet. */
const SETTLE_MS = 100;

/** In immediate mode each packet takes the room of the longest. */
const BUFFER_KB = 65_536;

export class Capture implements AsyncDisposable {
  readonly #host: Host;
  readonly #process: Process;
  readonly #path: string;

  private constructor(host: Host, process: Process, path: string) {
    this.#host = host;
    this.#process = process;
    this.#path = path;
  }

  /**
   * `incoming`: only what comes by the device, not what the host itself sends there.
   * `longest`: of longer packets the rest is cut off. `most`: it ends after so many packets.
   */
  static async start(
    host: Host,
    ifname: string,
    o: { incoming?: boolean; longest: number; most?: number; filter?: string },
  ): Promise<Capture> {
    const path = await Deno.makeTempFile({ prefix: "ttun-", suffix: ".pcap" });
    const limits = [...(o.incoming ? ["-Q", "in"] : []), ...(o.most ? ["-c", `${o.most}`] : [])];
    const process = host.spawn("tcpdump", [
      ...["-i", ifname, ...limits, "-n", "-p", "--immediate-mode", "-Z", "root"],
      ...["-B", `${BUFFER_KB}`, "-s", `${o.longest}`, "-U", "-w", path, o.filter ?? "tcp or udp"],
    ]);
    await process.waitFor(/listening on/);
    return new Capture(host, process, path);
  }

  /** Waits until there are `most`. */
  async filled(timeoutMs: number): Promise<void> {
    await this.#process.waitFor(/packets captured/, timeoutMs);
  }

  /** Ends it. Throws when tcpdump has missed packets. */
  async stop(): Promise<void> {
    await pause(SETTLE_MS);
    this.#process.signal("SIGINT");
    await this.#process.closed;
    const dropped = /(\d+) packets? dropped by kernel/.exec(this.#process.output)?.[1];
    if (dropped !== "0") throw new Error(`tcpdump missed packets: ${this.#process.output}`);
  }

  /** All TCP and UDP packets, judged. */
  async packets(): Promise<Judged[]> {
    return packetsOf(await Deno.readFile(this.#path)).map(judge);
  }

  /** Packets in tcpdump's own words. */
  async text(): Promise<string> {
    const { stdout } = await this.#host.run("tcpdump", ["-n", "-vv", "-r", this.#path]);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
    await Deno.remove(this.#path);
  }
}
